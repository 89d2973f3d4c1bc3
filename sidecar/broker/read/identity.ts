/**
 * Which node answers at LOCAL_BROKER: asked after each connect, because all verdicts assume that it is the
 * configured one. The node's own answer counts first (every other node refuses DescribeConfigs for a
 * broker's id), for as long as the connection lasts. Without that permission, the partitions that it leads
 * show it (leader-evidence.ts); leadership moves, so that is asked again.
 *
 * Only proof closes a gate: no permission, or no evidence, is no proof of another node. A proof counts
 * until the contrary is proven, or nothing speaks against the node any more.
 */

import type { Clock } from "../../../shared/clock.ts";
import {
  brokerConfigsRequest,
  type DescribedConfig,
} from "../../../shared/kafka/admin/topic-configs.ts";
import { LATEST, listOffsetsRequest } from "../../../shared/kafka/api/list-offsets.ts";
import type { TopicMetadata } from "../../../shared/kafka/api/metadata.ts";
import { type KafkaError, protocolError } from "../../../shared/kafka/error.ts";
import { kafkaCode } from "../../../shared/kafka/error-code.ts";
import type { NodeIdentity } from "../snapshot.ts";
import type { RenewableConnection } from "./connection.ts";
import {
  type AskedPartition,
  evidenceOf,
  type LeaderEvidence,
  type LedPartition,
  NO_ANSWER,
  nameOf,
  partitionsOfOthers,
  partitionsOfOwn,
  stillLed,
} from "./leader-evidence.ts";
import type { RoundClock } from "./round-clock.ts";

/** When to ask again what could not be checked: Kafka logs each refusal. */
const AGAIN_MS = 60_000;
/** When to ask again after leadership has proven another node: that closes gates, so it is asked sooner. */
const OTHER_AGAIN_MS = 10_000;
/**
 * How long evidence by leadership must last, in one leader epoch: a broker's metadata names it as leader
 * before it acts as the leader.
 */
const LASTS_MS = 5000;
/** The same, if it answers for no node's partitions: a broker with very many takes longer to become their leader. */
const DENIED_LASTS_MS = 30_000;
const KEY = "node.id";
const PERMISSION = "DESCRIBE_CONFIGS on the cluster";

export type IdentityReader = {
  /** @param topics of this round's metadata: empty for a controller, undefined without an answer */
  readonly read: (
    topics: readonly TopicMetadata[] | undefined,
    clock: RoundClock,
  ) => Promise<NodeIdentity>;
};

type Proven = Exclude<NodeIdentity, { readonly kind: "unproven" }>;
type Known = {
  readonly linkId: number;
  readonly identity: NodeIdentity;
  readonly askedMs: number;
  /** For how long it is not asked again on this connection. */
  readonly freshMs: number;
};

export function openIdentityReader(deps: {
  readonly brokerId: number;
  readonly connection: RenewableConnection;
  readonly clock: Clock;
}): IdentityReader {
  const {
    brokerId,
    connection,
    clock: { monotonicMs },
  } = deps;
  const suspicion = openSuspicion(monotonicMs);
  let known: Known | undefined;
  /** One question is awaited over several rounds, so that a slow broker is not asked more often. */
  let asking: Promise<NodeIdentity> | undefined;
  let refusal: { readonly linkId: number; readonly atMs: number; readonly why: string } | undefined;

  const isFresh = ({ askedMs, freshMs }: Known): boolean => monotonicMs() - askedMs < freshMs;

  const knownOf = (linkId: number): Known | undefined =>
    known?.linkId === linkId ? known : undefined;

  /** The node's own answer; else why it gave none. */
  const askSettings = async (): Promise<Proven | string> => {
    const isKnown = refusal !== undefined && monotonicMs() - refusal.atMs < AGAIN_MS;
    if (isKnown && refusal?.linkId === connection.linkId()) return refusal.why;
    const asking = connection.ask(brokerConfigsRequest(brokerId, [KEY]));
    const linkId = connection.linkId();
    const answer = await asking;
    const said = answer.ok ? judgeSettings(answer.value[0], brokerId) : answer.error.detail;
    refusal = typeof said === "string" ? { linkId, atMs: monotonicMs(), why: said } : undefined;
    return said;
  };

  const ask = async (topics: readonly TopicMetadata[] | undefined): Promise<NodeIdentity> => {
    const saying = askSettings();
    // The question may have opened the connection.
    const linkId = connection.linkId();
    const said = await saying;
    const isItsWord = typeof said !== "string";
    const now = isItsWord ? said : await judgeLeading(said, topics);
    const identity = standing(knownOf(linkId)?.identity, now);
    const freshMs = isItsWord ? Number.POSITIVE_INFINITY : freshMsOf(now);
    known = { linkId, identity, askedMs: monotonicMs(), freshMs };
    return identity;
  };

  const judgeLeading = async (
    said: string,
    topics: readonly TopicMetadata[] | undefined,
  ): Promise<NodeIdentity> => {
    if (topics === undefined) return pending(`${said}; the metadata did not come`);
    const own = await askLeaders(connection, partitionsOfOwn(topics, brokerId));
    const seen = evidenceOf(own, brokerId);
    if (seen.kind === "same") return suspicion.weigh(seen, topics, said);
    const others = await askLeaders(connection, partitionsOfOthers(topics, brokerId));
    return suspicion.weigh(evidenceOf([...own, ...others], brokerId), topics, said);
  };

  return {
    read: async (topics, clock) => {
      const before = knownOf(connection.linkId());
      if (before !== undefined && isFresh(before)) return before.identity;
      asking ??= ask(topics).finally(() => {
        asking = undefined;
      });
      const late = pending("it has not said yet who it is");
      return (await clock.within(asking)) ?? standing(before?.identity, late);
    },
  };
}

/** Merges what was known about this connection with what was found. */
function standing(before: NodeIdentity | undefined, now: NodeIdentity): NodeIdentity {
  if (before === undefined || before.kind === "unproven" || now.kind !== "unproven") return now;
  return before.kind === "other" && now.isFinal ? now : before;
}

/** The same for findings by leadership. */
function freshMsOf(found: NodeIdentity): number {
  switch (found.kind) {
    case "same":
      return AGAIN_MS;
    case "other":
      return OTHER_AGAIN_MS;
    case "unproven":
      return found.isFinal ? AGAIN_MS : 0;
  }
}

type Against = Extract<LeaderEvidence, { readonly kind: "other" }>;

/** Evidence against the configured id, and since when. It outlives a connection: sessions may be short. */
function openSuspicion(monotonicMs: () => number) {
  let first: (Pick<Against, "nodeId" | "by"> & { readonly sinceMs: number }) | undefined;

  const hasLasted = ({ nodeId, by }: Against, topics: readonly TopicMetadata[]): boolean => {
    if (first === undefined || first.nodeId !== nodeId || !stillLed(first.by, topics)) {
      first = { nodeId, by, sinceMs: monotonicMs() };
    }
    const lastsMs = nodeId === undefined ? DENIED_LASTS_MS : LASTS_MS;
    return monotonicMs() - first.sinceMs >= lastsMs;
  };

  return {
    weigh: (
      seen: LeaderEvidence,
      topics: readonly TopicMetadata[],
      refusal: string,
    ): NodeIdentity => {
      switch (seen.kind) {
        case "same":
          first = undefined;
          return sameBy(seen.by);
        case "none": {
          first = undefined;
          const detail = topics.length === 0 ? refusal : `${refusal}; ${seen.why}`;
          return { kind: "unproven", isFinal: true, detail };
        }
        case "doubtful":
          return pending(`${refusal}; ${seen.why}`);
        case "other": {
          const how = evidenceText(seen);
          return hasLasted(seen, topics)
            ? { kind: "other", nodeId: seen.nodeId, how }
            : pending(how);
        }
      }
    },
  };
}

const pending = (detail: string): NodeIdentity => ({ kind: "unproven", isFinal: false, detail });

const sameBy = (by: LedPartition): NodeIdentity => ({
  kind: "same",
  how: `it leads ${nameOf(by)}`,
});

function evidenceText({ nodeId, by }: Against): string {
  const [first] = by;
  if (nodeId !== undefined) return `it answers as the leader of ${nameOf(first)}`;
  return `it does not lead ${by.map(nameOf).join(", ")}, as node ${first?.leader} does`;
}

/** Kafka names its own node; another implementation of the protocol may not, and then nothing is proven. */
function judgeSettings(row: DescribedConfig | undefined, brokerId: number): Proven | string {
  if (row === undefined) return `it answered nothing about node ${brokerId}`;
  const { errorCode, message } = row;
  if (errorCode === 0) return { kind: "same", how: "by its own settings" };
  const expected = /expected:? (?<id>\d+)/iu.exec(message ?? "")?.groups?.["id"];
  if (
    errorCode === kafkaCode("INVALID_REQUEST") &&
    expected !== undefined &&
    Number(expected) !== brokerId
  ) {
    return { kind: "other", nodeId: Number(expected), how: "by its own settings" };
  }
  return refused(errorCode, brokerId, message).detail;
}

const refused = (errorCode: number, brokerId: number, message: string | null): KafkaError =>
  protocolError(errorCode, `ask node ${brokerId} for its settings`, PERMISSION, message);

async function askLeaders(
  connection: RenewableConnection,
  led: readonly LedPartition[],
): Promise<readonly AskedPartition[]> {
  return await Promise.all(
    led.map(async (each) => {
      const asked = await connection.ask(listOffsetsRequest(each.topic, [each.partition], LATEST));
      if (asked.ok) return { ...each, errorCode: asked.value[0]?.errorCode ?? NO_ANSWER };
      const isUnknown = asked.error.code === "unsupported";
      return { ...each, errorCode: isUnknown ? kafkaCode("UNSUPPORTED_VERSION") : NO_ANSWER };
    }),
  );
}
