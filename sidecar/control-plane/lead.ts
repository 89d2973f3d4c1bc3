/**
 * Leading, again and again: whenever the group gives us the partition, promote, run a term until it
 * ends, read the ledger anew, and begin again while the partition is ours.
 */
import { backoffMs } from "../../shared/backoff.ts";
import { sleep } from "../../shared/deadline.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { Term as GroupTerm } from "../../shared/kafka/membership.ts";
import type { ReadProblem } from "../../shared/kafka/reader.ts";
import type { Call } from "../../shared/kafka/request.ts";
import type { Wire } from "../../shared/kafka/wire.ts";
import { HEARTBEAT, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { err, type Result } from "../../shared/result.ts";
import type { Follower } from "./follow.ts";
import { followHeartbeats } from "./heartbeats.ts";
import { createInbox } from "./inbox.ts";
import { promote } from "./promote.ts";
import type { Standby } from "./standby.ts";
import { openTerm, type Term, type TermDeps } from "./term.ts";

const PROMOTE_RETRY = { baseMs: 250, maxMs: 10_000 } as const;

export type LeadDeps = Omit<TermDeps, "promoted" | "heartbeatPartitions" | "inbox" | "fence"> & {
  readonly wire: Wire;
  readonly follower: Follower;
  readonly standby: Standby;
};

export type Lead = {
  /** For the group's membership. */
  readonly onAssigned: (term: GroupTerm) => void;
  readonly onLost: (reason: string) => void;
  /** The own epoch as text while we lead, else "". */
  readonly standing: () => string;
  readonly term: () => Term | undefined;
  readonly onProblem: (problem: ReadProblem) => void;
  /** Why we do not lead although we could; undefined when nothing is wrong. */
  readonly trouble: () => string | undefined;
  /** Ends the term, if any; resolves when it is over. */
  readonly close: () => Promise<void>;
};

export function openLead(deps: LeadDeps): Lead {
  let owned: GroupTerm | undefined;
  let term: Term | undefined;
  let trouble: string | undefined;
  let running: Promise<void> | undefined;
  let closed = false;

  /** A rebalance that leaves the partition with us gives a new generation to commit with. */
  const fence = (call: Call): Promise<Result<null, KafkaError>> =>
    owned === undefined ? Promise.resolve(err(NOT_OWNED)) : owned.fence(call);

  const wanted = (): boolean => owned !== undefined && !closed;

  const once = async (): Promise<boolean> => {
    const inbox = createInbox(deps.monotonicMs);
    const lost = owned?.lost ?? AbortSignal.abort();
    const { runtime, log, standby, follower } = deps;
    const promoted = await promote({
      ...deps,
      scope: runtime.scope,
      fence: () => fence({ deadlineMs: 5_000 }),
      onRegistry: inbox.registry,
      signal: lost,
    });
    if (!promoted.ok) {
      trouble = promoted.error.detail;
      log.warn("could not become leader yet", { ...promoted.error });
      return false;
    }
    trouble = undefined;
    const { value } = promoted;
    warnOfRegistry(deps, value.registry);
    for (const { partition, applied } of value.registry)
      value.fleet.applied.set(partition, applied);
    const { heartbeatPartitions } = value;
    const next = openTerm({ ...deps, promoted: value, heartbeatPartitions, inbox, fence });
    for (const { partition } of value.registry) next.book.unsavedApplied.add(partition);
    standby.takeOver(next.onLedger);
    standby.onControl(next.onControl);
    term = next;
    log.info("leading", { epoch: value.epoch, clusters: value.fleet.clusters.size });
    const stopFollowing = followHeartbeats({ ...deps, promoted: value, term: next });
    const reason = await next.run();
    stopFollowing();
    term = undefined;
    standby.onControl(undefined);
    for (const { partition } of value.registry) follower.unfollow(REGISTRY, partition);
    log.warn("the term is over", { epoch: value.epoch, reason });
    return true;
  };

  /** The term changed the fleet in memory; a standby knows only what the ledger says. */
  const relearnLedger = async (): Promise<void> => {
    for (let attempt = 0; !closed; attempt += 1) {
      const restarted = await deps.standby.restart();
      if (restarted.ok) return;
      trouble = restarted.error.detail;
      await sleep(backoffMs(attempt, { ...PROMOTE_RETRY, random: deps.random }));
    }
  };

  const loop = async (): Promise<void> => {
    for (let attempt = 0; wanted(); ) {
      const led = await once();
      attempt = led ? 0 : attempt + 1;
      if (led) await relearnLedger();
      if (wanted()) await sleep(backoffMs(attempt, { ...PROMOTE_RETRY, random: deps.random }));
    }
    running = undefined;
  };

  return {
    onAssigned: (assigned) => {
      owned = assigned;
      running ??= loop();
    },
    onLost: (reason) => {
      owned = undefined;
      term?.end(`the group gave the lead away: ${reason}`);
    },
    standing: () => (term === undefined ? "" : String(term.epoch)),
    term: () => term,
    onProblem: (problem) => heedProblem(deps, term, problem),
    trouble: () => trouble,
    close: async () => {
      closed = true;
      term?.end("shutting down");
      await running;
    },
  };
}

const NOT_OWNED: KafkaError = {
  code: "fenced",
  retry: "terminal",
  detail: "the partition of cluster.control is not ours",
};

function warnOfRegistry(
  { log }: LeadDeps,
  starts: readonly { readonly partition: number; readonly madeAgain: boolean }[],
): void {
  if (!starts.some(({ madeAgain }) => madeAgain)) return;
  log.error(
    "cluster.registry is not the one that the ledger knows (deleted and made again, or another " +
      "Kafka): it is read from its start on top of the ledger; clean-ups and orphan stops are held " +
      "until `sidecar accept-registry`",
  );
}

/** What the reader cannot mend by itself. A topic that changed shape ends the term: promotion looks anew. */
function heedProblem(deps: LeadDeps, term: Term | undefined, problem: ReadProblem): void {
  const { log } = deps;
  switch (problem.kind) {
    case "unreachable":
    case "recovered":
      return;
    case "partition-count-changed":
    case "topic-recreated":
    case "offset-out-of-range":
      log.warn("a topic changed under us", { ...problem });
      if (problem.topic === STATUS) relearn(deps, term);
      else if (problem.topic === REGISTRY || problem.topic === HEARTBEAT) {
        term?.end(`${problem.topic}: ${problem.kind}`);
      }
      return;
    case "topic-missing":
      log.error("a topic that we need is missing", { topic: problem.topic });
  }
}

/** The ledger was deleted and made again: a leader writes what it knows, a standby reads anew. */
function relearn({ standby, log }: LeadDeps, term: Term | undefined): void {
  if (term === undefined) {
    void standby.restart();
    return;
  }
  log.error("cluster.status lost what was in it; the leader writes its ledger again");
  standby.rereadLedger(0);
  term.rewriteLedger();
}
