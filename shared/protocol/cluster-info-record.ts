/** The values of `cluster-info`, as schemas. Fields that are not named here are ignored. */
import * as v from "valibot";
import { ClientId } from "./client-id.ts";
import { isHash } from "./object-hash.ts";

/** A reader refuses another one: it cannot know what it would mean. */
export const SCHEMA_VERSION = 1;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hash = v.pipe(v.string(), v.check(isHash, "is no hash"));
const schema = v.literal(SCHEMA_VERSION);
/** What is shown, or compared by people only: a wrong one is dropped, the record still counts. */
const shown = <T>(inner: v.GenericSchema<unknown, T>) => v.fallback(v.optional(inner), undefined);
/** Kubernetes' versions are decimal numbers, too large for a number. */
const version = v.pipe(v.string(), v.regex(/^\d{1,40}$/u));

export const ObjectRecord = v.object({
  schema,
  client_id: ClientId,
  kind: v.string(),
  uid: v.string(),
  namespace: v.optional(v.string()),
  name: v.string(),
  resource_version: version,
  /** RFC 3339 with milliseconds, by the agent's clock. */
  observed_at: v.string(),
  /** objectHash of `object`. */
  hash,
  /** Why `object` holds name, namespace and created_time only. */
  stub: shown(v.string()),
  object: v.record(v.string(), v.unknown()),
});
export type ObjectRecord = v.InferOutput<typeof ObjectRecord>;

/** From here on only records of this life count. */
export const Begin = v.object({
  schema,
  client_id: ClientId,
  life: v.string(),
  /** Of the topic, as this life knows it: another count begins another life. */
  partition_count: whole,
  began_at: v.string(),
  agent_version: v.fallback(v.string(), ""),
  projection: v.fallback(v.string(), ""),
  /** `watch`, or `once`: it ends by itself. */
  mode: v.fallback(v.string(), "watch"),
  /** The uid of namespace kube-system: two client ids with one uid are one cluster. */
  cluster_uid: shown(v.string()),
});
export type Begin = v.InferOutput<typeof Begin>;

const ScopeOfKind = v.object({
  kind: v.string(),
  /**
   * collected; forbidden or unavailable: its rows stay, unknown since then; missing: Kubernetes has no
   * such resource. Unknown words are as unavailable.
   */
  state: v.string(),
  /** Namespaces and selectors as text; empty: everything. */
  scope: v.fallback(v.string(), ""),
  detail: shown(v.string()),
});

/** What is collected from here on; rows of kinds that are not named are closed. */
export const Scope = v.object({
  schema,
  client_id: ClientId,
  life: v.string(),
  at: v.string(),
  kinds: v.array(ScopeOfKind),
});
export type Scope = v.InferOutput<typeof Scope>;

/** All records of this pass, or of what changed until now, stand before it. */
export const Mark = v.object({
  schema,
  client_id: ClientId,
  kind: v.string(),
  life: v.string(),
  pass: v.string(),
  /** True: rows of this kind with another pass are closed. False: nothing is. */
  full: v.boolean(),
  scope: v.fallback(v.string(), ""),
  /** Of the objects that Kafka has confirmed. */
  count: whole,
  set_hash: hash,
  resource_version: v.fallback(v.string(), ""),
  /** Milliseconds since Kubernetes last said anything of this kind. */
  bookmark_age_ms: v.fallback(whole, 0),
  at: v.string(),
  /** Objects that Kafka did not take, in no count and no hash. */
  refused: v.fallback(v.optional(v.array(v.string())), undefined),
  refused_count: v.fallback(v.optional(whole), undefined),
});
export type Mark = v.InferOutput<typeof Mark>;
