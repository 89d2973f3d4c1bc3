/**
 * Optional facts about a cluster in its ledger record. A fact that cannot be read is left out: no control
 * plane, older or newer, may lose a cluster because of it.
 */
import * as v from "valibot";

/** As in a registration. */
const INTERVAL_MAX_S = 3600;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Two agents that beat in turn under one client id. */
const Conflict = v.object({
  /** The `instance_id`s that beat last. */
  instances: v.array(v.string()),
  /** RFC 3339, by the leader's clock. */
  since: v.string(),
});
export type Conflict = v.InferOutput<typeof Conflict>;

/** The group's committed offsets when its worker was stopped: Kafka forgets them while the group is empty. */
const KeptOffsets = v.object({
  /** RFC 3339, by the leader's clock. */
  read_at: v.string(),
  topics: v.array(
    v.object({
      topic: v.string(),
      topic_id: v.string(),
      /** Partition and committed offset. */
      partitions: v.array(v.tuple([whole, whole])),
    }),
  ),
});
export type KeptOffsets = v.InferOutput<typeof KeptOffsets>;

/** Members of the cluster's group that are not its worker: they kept the group from being deleted. */
const Stray = v.object({
  /** RFC 3339, by the leader's clock. */
  since: v.string(),
  members: v.array(v.object({ member_id: v.string(), client_id: v.string(), host: v.string() })),
});
export type Stray = v.InferOutput<typeof Stray>;

const fact = <T>(schema: v.GenericSchema<unknown, T>) => v.fallback(v.optional(schema), undefined);

export const FACTS = {
  conflict: fact(Conflict),
  offsets: fact(KeptOffsets),
  stray: fact(Stray),
  /** Hash of the spec for which its worker was replaced, until the new one has run for WORKER_MIN_READY. */
  replaced_for: fact(v.string()),
  /** Of a cluster that history withdrew: its registration's, which the tombstone has taken the place of. */
  heartbeat_interval_seconds: fact(v.pipe(v.number(), v.minValue(1), v.maxValue(INTERVAL_MAX_S))),
} as const;

const Facts = v.object(FACTS);
export type Facts = v.InferOutput<typeof Facts>;

/** The facts of a record; undefined if it has none, as most records. */
export function factsOf({
  conflict,
  offsets,
  stray,
  replaced_for: replacedFor,
  heartbeat_interval_seconds: interval,
}: Facts): Facts | undefined {
  const facts = {
    ...(conflict === undefined ? {} : { conflict }),
    ...(offsets === undefined ? {} : { offsets }),
    ...(stray === undefined ? {} : { stray }),
    ...(replacedFor === undefined ? {} : { replaced_for: replacedFor }),
    ...(interval === undefined ? {} : { heartbeat_interval_seconds: interval }),
  };
  return Object.keys(facts).length === 0 ? undefined : facts;
}
