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
import { createInbox, type Inbox } from "./inbox.ts";
import { type Promoted, promote } from "./promote.ts";
import type { Standby } from "./standby.ts";
import { openTerm, type Term, type TermDeps } from "./term.ts";

const FENCE_MS = 5_000;
const RETRY = { baseMs: 250, maxMs: 10_000 } as const;

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

/** Where leading stands; one object, so that its steps can be functions of their own. */
type Standing = {
  owned: GroupTerm | undefined;
  term: Term | undefined;
  trouble: string | undefined;
  running: Promise<void> | undefined;
  closed: boolean;
};

export function openLead(deps: LeadDeps): Lead {
  const standing: Standing = {
    owned: undefined,
    term: undefined,
    trouble: undefined,
    running: undefined,
    closed: false,
  };
  return {
    onAssigned: (assigned) => {
      standing.owned = assigned;
      standing.running ??= keepLeading(deps, standing);
    },
    onLost: (reason) => {
      standing.owned = undefined;
      standing.term?.end(`the group gave the lead away: ${reason}`);
    },
    standing: () => (standing.term === undefined ? "" : String(standing.term.epoch)),
    term: () => standing.term,
    onProblem: (problem) => heedProblem(deps, standing.term, problem),
    trouble: () => standing.trouble,
    close: async () => {
      standing.closed = true;
      standing.term?.end("shutting down");
      await standing.running;
    },
  };
}

const mayLead = ({ owned, closed }: Standing): boolean => owned !== undefined && !closed;

async function keepLeading(deps: LeadDeps, standing: Standing): Promise<void> {
  for (let attempt = 0; mayLead(standing); ) {
    const led = await leadOnce(deps, standing);
    attempt = led ? 0 : attempt + 1;
    if (led) await relearnLedger(deps, standing);
    if (mayLead(standing)) await sleep(backoffMs(attempt, { ...RETRY, random: deps.random }));
  }
  standing.running = undefined;
}

/** The term changed the fleet in memory; a standby knows only what the ledger says. */
async function relearnLedger(deps: LeadDeps, standing: Standing): Promise<void> {
  for (let attempt = 0; !standing.closed; attempt += 1) {
    const restarted = await deps.standby.restart();
    if (restarted.ok) return;
    standing.trouble = restarted.error.detail;
    await sleep(backoffMs(attempt, { ...RETRY, random: deps.random }));
  }
}

/** @returns whether a term was begun (and has ended) */
async function leadOnce(deps: LeadDeps, standing: Standing): Promise<boolean> {
  const inbox = createInbox(deps.monotonicMs);
  /** A rebalance that leaves the partition with us gives a new generation to commit with. */
  const fence = (call: Call): Promise<Result<null, KafkaError>> =>
    standing.owned === undefined ? Promise.resolve(err(NOT_OWNED)) : standing.owned.fence(call);
  const promoted = await promote({
    ...deps,
    scope: deps.runtime.scope,
    fence: () => fence({ deadlineMs: FENCE_MS }),
    onRegistry: inbox.registry,
    signal: standing.owned?.lost ?? AbortSignal.abort(),
  });
  if (!promoted.ok) {
    standing.trouble = promoted.error.detail;
    deps.log.warn("could not become leader yet", { ...promoted.error });
    return false;
  }
  standing.trouble = undefined;
  await serveTerm(deps, standing, promoted.value, inbox, fence);
  return true;
}

async function serveTerm(
  deps: LeadDeps,
  standing: Standing,
  promoted: Promoted,
  inbox: Inbox,
  fence: TermDeps["fence"],
): Promise<void> {
  const { log, standby, follower } = deps;
  const { heartbeatPartitions, registry, epoch, fleet } = promoted;
  warnOfRegistry(deps, registry);
  for (const { partition, applied } of registry) fleet.applied.set(partition, applied);
  const term = openTerm({ ...deps, promoted, heartbeatPartitions, inbox, fence });
  for (const { partition } of registry) term.book.unsavedApplied.add(partition);
  standby.takeOver(term.onLedger);
  standby.onControl(term.onControl);
  standing.term = term;
  log.info("leading", { epoch, clusters: fleet.clusters.size });
  if (!mayLead(standing)) term.end("the lead was lost while promoting");
  const stopFollowing = followHeartbeats({ ...deps, promoted, term });
  const reason = await term.run();
  stopFollowing();
  standing.term = undefined;
  standby.onControl(undefined);
  for (const { partition } of registry) follower.unfollow(REGISTRY, partition);
  log.warn("the term is over", { epoch, reason });
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
