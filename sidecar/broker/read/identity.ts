/**
 * Which node answers at LOCAL_BROKER: asked once after each connect, for all verdicts rest on its being
 * the configured one. The node's own word counts first (DescribeConfigs of a broker's id is refused by
 * every other node). Without that permission, what it leads tells (leader-evidence.ts).
 *
 * Only what is proven closes a gate: that we may not ask, or that nothing tells, is no difference.
 */

import {
  brokerConfigsRequest,
  type DescribedConfig,
} from "../../../shared/kafka/admin/topic-configs.ts";
import { LATEST, listOffsetsRequest } from "../../../shared/kafka/api/list-offsets.ts";
import type { TopicMetadata } from "../../../shared/kafka/api/metadata.ts";
import { type KafkaError, protocolError } from "../../../shared/kafka/error.ts";
import type { NodeIdentity } from "../snapshot.ts";
import type { RenewableConnection } from "./connection.ts";
import {
  type AskedPartition,
  evidenceOf,
  type LeaderEvidence,
  type LedPartition,
  nameOf,
  partitionsOfOthers,
  partitionsOfOwn,
  stillLed,
} from "./leader-evidence.ts";
import type { RoundClock } from "./round-clock.ts";

/** What could not be checked is asked again after so long: Kafka logs each refusal. */
const AGAIN_MS = 60_000;
/**
 * Evidence by leadership must last so long, in one leader epoch: a broker knows of a leadership from its
 * metadata before it has taken it up.
 */
const LASTS_MS = 5000;
const INVALID_REQUEST = 42;
const NO_ANSWER = -1;
const KEY = "node.id";
const PERMISSION = "DESCRIBE_CONFIGS on the cluster";

export type IdentityReader = {
  /** @param topics of this round's metadata: none of a controller, undefined where it did not come */
  readonly read: (
    topics: readonly TopicMetadata[] | undefined,
    clock: RoundClock,
  ) => Promise<NodeIdentity>;
};

type Proven = Exclude<NodeIdentity, { readonly kind: "unproven" }>;
type Known = { readonly linkId: number; readonly askedMs: number; readonly identity: NodeIdentity };

export function openIdentityReader(deps: {
  readonly brokerId: number;
  readonly connection: RenewableConnection;
  readonly monotonicMs: () => number;
}): IdentityReader {
  const { brokerId, connection, monotonicMs } = deps;
  const suspicion = openSuspicion(monotonicMs);
  let known: Known | undefined;
  /** Waited for over the rounds: a broker that is slow is not asked the more. */
  let asking: Promise<NodeIdentity> | undefined;
  let refusal: { readonly linkId: number; readonly atMs: number; readonly why: string } | undefined;

  const isFresh = ({ identity, askedMs, linkId }: Known): boolean => {
    if (linkId !== connection.linkId()) return false;
    if (identity.kind !== "unproven") return true;
    return identity.isFinal && monotonicMs() - askedMs < AGAIN_MS;
  };

  /** The node's own word; else why it gave none. */
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
    // The question has opened a connection, where there was none.
    const linkId = connection.linkId();
    const identity = await judge(await saying, topics);
    known = { linkId, askedMs: monotonicMs(), identity };
    return identity;
  };

  const judge = async (
    said: Proven | string,
    topics: readonly TopicMetadata[] | undefined,
  ): Promise<NodeIdentity> => {
    if (typeof said !== "string") return said;
    if (topics === undefined) return pending(`${said}; the metadata did not come`);
    const own = await askLeaders(connection, partitionsOfOwn(topics, brokerId));
    const seen = evidenceOf(own, brokerId);
    if (seen.kind === "same") return sameBy(seen.by);
    const others = await askLeaders(connection, partitionsOfOthers(topics, brokerId));
    return suspicion.weigh(evidenceOf([...own, ...others], brokerId), topics, said);
  };

  return {
    read: async (topics, clock) => {
      if (known !== undefined && isFresh(known)) return known.identity;
      asking ??= ask(topics).finally(() => {
        asking = undefined;
      });
      return (await clock.within(asking)) ?? pending("it has not said yet who it is");
    },
  };
}

/** Evidence against the configured id, and since when. It outlives a connection: sessions may be short. */
function openSuspicion(monotonicMs: () => number) {
  let first: { readonly by: readonly LedPartition[]; readonly sinceMs: number } | undefined;
  return {
    weigh: (
      seen: LeaderEvidence,
      topics: readonly TopicMetadata[],
      refusal: string,
    ): NodeIdentity => {
      if (seen.kind !== "other") {
        first = undefined;
        if (seen.kind === "same") return sameBy(seen.by);
        const detail = topics.length === 0 ? refusal : `${refusal}; ${seen.why}`;
        return { kind: "unproven", isFinal: true, detail };
      }
      if (first === undefined || !stillLed(first.by, topics)) {
        first = { by: seen.by, sinceMs: monotonicMs() };
      }
      if (monotonicMs() - first.sinceMs < LASTS_MS) return pending(evidenceText(seen));
      return { kind: "other", nodeId: seen.nodeId, how: evidenceText(seen) };
    },
  };
}

const pending = (detail: string): NodeIdentity => ({ kind: "unproven", isFinal: false, detail });

const sameBy = (by: LedPartition): NodeIdentity => ({
  kind: "same",
  how: `it leads ${nameOf(by)}`,
});

function evidenceText({ nodeId, by }: Extract<LeaderEvidence, { readonly kind: "other" }>): string {
  const [first] = by;
  if (nodeId !== undefined) return `it answers as the leader of ${nameOf(first)}`;
  return `it does not lead ${by.map(nameOf).join(", ")}, as node ${first?.leader} does`;
}

/** Kafka names the node that it is; others that speak its protocol may not, and then nothing is proven. */
function judgeSettings(row: DescribedConfig | undefined, brokerId: number): Proven | string {
  if (row === undefined) return `it answered nothing about node ${brokerId}`;
  const { errorCode, message } = row;
  if (errorCode === 0) return { kind: "same", how: "by its own settings" };
  const expected = /expected:? (?<id>\d+)/iu.exec(message ?? "")?.groups?.["id"];
  if (errorCode === INVALID_REQUEST && expected !== undefined && Number(expected) !== brokerId) {
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
      const errorCode = asked.ok ? (asked.value[0]?.errorCode ?? NO_ANSWER) : NO_ANSWER;
      return { ...each, errorCode };
    }),
  );
}
