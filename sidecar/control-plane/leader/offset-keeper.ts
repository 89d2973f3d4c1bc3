/**
 * Reads the offsets of dead clusters' groups into the ledger, concurrently with the rounds: after each
 * stop, and on each resync for those that have none yet. Reading changes nothing, so it needs no fence; the
 * result is written like any change of a cluster.
 */
import { sleep } from "../../../shared/clock.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Log } from "../../../shared/log.ts";
import { type ClientId, groupOf } from "../../../shared/protocol/client-id.ts";
import type { Facts, KeptOffsets } from "../../../shared/protocol/ledger-facts.ts";
import type { Result } from "../../../shared/result.ts";
import type { Groups } from "../act/groups.ts";
import { type Cluster, setFact } from "../fleet/fleet.ts";
import { isGone, type LeaderState } from "../state/leader-state.ts";

/** Groups that Kafka is asked about at once. */
const AT_ONCE_MAX = 200;
const TRIES = 3;
const RETRY_MS = 1_000;

/**
 * If a group has committed nothing, nothing is written: a fleet of 100,000 dead clusters would rewrite its
 * whole ledger. The next leader asks again. Facts are replaced, never changed, so these clusters share one object.
 */
function openFacts(leaderState: LeaderState): (cluster: Cluster, kept: KeptOffsets) => void {
  let nothing: Facts | undefined;
  return (cluster, kept) => {
    const isAll = cluster.facts === undefined && kept.topics.length === 0;
    if (isAll && nothing?.offsets === kept) {
      cluster.facts = nothing;
      return;
    }
    const before = cluster.facts?.offsets?.topics.length ?? 0;
    setFact(cluster, "offsets", kept);
    if (isAll) nothing = cluster.facts;
    if (before + kept.topics.length > 0) leaderState.unsaved.add(cluster.clientId);
  };
}

/** Undefined if the answer does not contain the group. */
type Reading = Result<KeptOffsets, KafkaError> | undefined;

export type OffsetKeeper = {
  /** Begins to read what is needed, unless it is reading already. */
  readonly run: () => void;
  readonly closed: () => Promise<void>;
};

export function openOffsetKeeper(deps: {
  readonly leaderState: LeaderState;
  readonly groups: Pick<Groups, "readOffsets">;
  readonly log: Pick<Log, "warn">;
  readonly signal: AbortSignal;
  readonly wake: () => void;
}): OffsetKeeper {
  const { leaderState, log, signal } = deps;
  let running: Promise<void> | undefined;
  /** A missing permission, or a Kafka without topic ids, is logged once: it is the same for every group. */
  let refused = false;
  /** The clusters for which it was logged; they are tried again on each resync. */
  const told = new Set<ClientId>();

  const giveUp = (clientId: ClientId, error: KafkaError): void => {
    if (!refused && !told.has(clientId)) {
      told.add(clientId);
      log.warn(
        "the offsets of a dead cluster's group are not kept: should it return after Kafka's " +
          "offsets.retention.minutes, its worker begins where its settings say",
        { client_id: clientId, error: error.detail },
      );
    }
    refused ||= error.code === "authorization" || error.code === "unsupported";
  };

  const setOffsets = openFacts(leaderState);

  /** @returns whether to try it again */
  const take = (clientId: ClientId, read: Reading, isLast: boolean): boolean => {
    const cluster = leaderState.fleet.clusters.get(clientId);
    // It may have returned meanwhile: then its group moves on.
    if (cluster === undefined || !isGone(leaderState, clientId)) return false;
    if (read?.ok === true) {
      told.delete(clientId);
      setOffsets(cluster, read.value);
      return false;
    }
    if (!isLast && read?.error.retry !== "terminal") return true;
    if (read !== undefined) giveUp(clientId, read.error);
    return false;
  };

  /** @returns those to try again */
  const tryOnce = async (clientIds: readonly ClientId[], isLast: boolean) => {
    const read = await deps.groups.readOffsets(clientIds.map(groupOf), signal);
    if (signal.aborted) return [];
    const again = clientIds.filter((id) => take(id, read.get(groupOf(id)), isLast));
    if (leaderState.unsaved.size > 0) deps.wake();
    return again;
  };

  const keep = async (clientIds: readonly ClientId[]): Promise<void> => {
    let left = clientIds;
    for (let attempt = 1; attempt <= TRIES; attempt += 1) {
      left = left.filter((clientId) => isGone(leaderState, clientId));
      if (left.length > 0) left = await tryOnce(left, attempt === TRIES);
      if (left.length === 0) return;
      await sleep(RETRY_MS, signal);
    }
  };

  const work = async (): Promise<void> => {
    while (leaderState.unkept.size > 0 && !signal.aborted) {
      const some = [...leaderState.unkept.values().take(AT_ONCE_MAX)];
      for (const clientId of some) leaderState.unkept.delete(clientId);
      await keep(some);
    }
    running = undefined;
  };

  return {
    run: () => {
      if (leaderState.unkept.size > 0) running ??= work();
    },
    closed: async () => running,
  };
}
