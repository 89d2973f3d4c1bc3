/**
 * Reads the offsets of dead clusters' groups into the ledger, concurrently with the rounds: after each
 * stop, and on each resync for those that have none yet. Reading changes nothing, so it needs no fence; the
 * result is written like any change of a cluster.
 */
import { sleep } from "../../../shared/clock.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Log } from "../../../shared/log.ts";
import { type ClientId, groupOf } from "../../../shared/protocol/client-id.ts";
import type { Groups } from "../act/groups.ts";
import { setFact } from "../fleet/fleet.ts";
import { isGone, type LeaderState } from "../state/leader-state.ts";

const AT_ONCE_MAX = 8;
const TRIES = 3;
const RETRY_MS = 1_000;

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

  /** @returns whether nothing is left to do for it */
  const tryOnce = async (clientId: ClientId, isLast: boolean): Promise<boolean> => {
    const read = await deps.groups.readOffsets(groupOf(clientId), signal);
    const cluster = leaderState.fleet.clusters.get(clientId);
    // It may have returned meanwhile: then its group moves on.
    if (cluster === undefined || !isGone(leaderState, clientId) || signal.aborted) return true;
    if (read.ok) {
      told.delete(clientId);
      setFact(cluster, "offsets", read.value);
      leaderState.unsaved.add(clientId);
      deps.wake();
      return true;
    }
    if (!isLast && read.error.retry === "transient") return false;
    giveUp(clientId, read.error);
    return true;
  };

  const keep = async (clientId: ClientId): Promise<void> => {
    for (let attempt = 1; attempt <= TRIES && isGone(leaderState, clientId); attempt += 1) {
      if (await tryOnce(clientId, attempt === TRIES)) return;
      await sleep(RETRY_MS, signal);
    }
  };

  const work = async (): Promise<void> => {
    while (leaderState.unkept.size > 0 && !signal.aborted) {
      const some = [...leaderState.unkept].slice(0, AT_ONCE_MAX);
      for (const clientId of some) leaderState.unkept.delete(clientId);
      await Promise.all(some.map(keep));
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
