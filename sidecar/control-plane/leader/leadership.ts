/**
 * Leading, again and again: whenever the group gives us the partition, promote, run a term until it
 * ends, read the ledger anew, and begin again while the partition is ours.
 */
import { backoffMs } from "../../../shared/backoff.ts";
import { sleep } from "../../../shared/deadline.ts";
import type { Call } from "../../../shared/kafka/api/request.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { ReadProblem } from "../../../shared/kafka/consumer/consumer.ts";
import type { Generation } from "../../../shared/kafka/election/membership.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { REGISTRY, STATUS } from "../../../shared/protocol/topic.ts";
import { err, type Result } from "../../../shared/result.ts";
import { createInbox, type Inbox } from "../inbox.ts";
import { dropPartitions, forgetOffsets } from "../state/ledger.ts";
import type { TopicFindings } from "../topics.ts";
import { followHeartbeats } from "./heartbeat-partitions.ts";
import { type Promoted, promote } from "./promotion.ts";
import type { Standby } from "./standby.ts";
import type { Tail } from "./tail.ts";
import { openTerm, type Term, type TermDeps } from "./term.ts";

const FENCE_MS = 5_000;
/** A replay of 100,000 clusters takes seconds. */
const PROMOTION_MAX_MS = 120_000;
const RETRY = { baseMs: 250, maxMs: 10_000 } as const;

export type LeadershipDeps = Omit<
  TermDeps,
  "promoted" | "heartbeatPartitions" | "inbox" | "fence" | "registryHarmful"
> & {
  readonly client: KafkaClient;
  readonly tail: Tail;
  readonly standby: Standby;
  /** Makes the topics that are absent and judges the others; before each promotion. */
  readonly prepare: () => Promise<Result<TopicFindings, KafkaError>>;
};

export type Leadership = {
  /** For the group's membership. */
  readonly onAssigned: (term: Generation) => void;
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
  owned: Generation | undefined;
  term: Term | undefined;
  trouble: string | undefined;
  running: Promise<void> | undefined;
  /** Ends the promotion under way: the lead was lost, a topic changed, it took too long, or we stop. */
  promotion: AbortController | undefined;
  readonly closing: AbortController;
};

export function openLeadership(deps: LeadershipDeps): Leadership {
  const standing: Standing = {
    owned: undefined,
    term: undefined,
    trouble: undefined,
    running: undefined,
    promotion: undefined,
    closing: new AbortController(),
  };
  return {
    onAssigned: (assigned) => {
      standing.owned = assigned;
      standing.running ??= keepLeading(deps, standing);
    },
    onLost: (reason) => {
      standing.owned = undefined;
      standing.promotion?.abort();
      standing.term?.end(`the group gave the lead away: ${reason}`);
    },
    standing: () => (standing.term === undefined ? "" : String(standing.term.epoch)),
    term: () => standing.term,
    onProblem: (problem) => heedProblem(deps, standing, problem),
    trouble: () => standing.trouble ?? standing.term?.trouble(),
    close: async () => {
      standing.closing.abort();
      standing.promotion?.abort();
      standing.term?.end("shutting down");
      await standing.running;
    },
  };
}

const mayLead = ({ owned, closing }: Standing): boolean =>
  owned !== undefined && !closing.signal.aborted;

const pause = (deps: LeadershipDeps, { closing }: Standing, attempt: number): Promise<void> =>
  sleep(backoffMs(attempt, { ...RETRY, random: deps.random }), closing.signal);

async function keepLeading(deps: LeadershipDeps, standing: Standing): Promise<void> {
  for (let attempt = 0; mayLead(standing); ) {
    const led = await leadOnce(deps, standing);
    attempt = led ? 0 : attempt + 1;
    await relearnLedger(deps, standing);
    if (mayLead(standing)) await pause(deps, standing, attempt);
  }
  standing.running = undefined;
}

/** The term changed the fleet in memory; a standby knows only what the ledger says. */
async function relearnLedger(deps: LeadershipDeps, standing: Standing): Promise<void> {
  for (let attempt = 0; !standing.closing.signal.aborted; attempt += 1) {
    const restarted = await deps.standby.restart();
    if (restarted.ok) return;
    standing.trouble = restarted.error.detail;
    await pause(deps, standing, attempt);
  }
}

/** @returns whether a term was begun (and has ended) */
async function leadOnce(deps: LeadershipDeps, standing: Standing): Promise<boolean> {
  const inbox = createInbox(deps.monotonicMs);
  /** A rebalance that leaves the partition with us gives a new generation to commit with. */
  const fence = (call: Call): Promise<Result<null, KafkaError>> =>
    standing.owned === undefined ? Promise.resolve(err(NOT_OWNED)) : standing.owned.fence(call);
  const findings = await deps.prepare();
  if (!findings.ok || findings.value.mustNotLead !== undefined) {
    standing.trouble = findings.ok
      ? `not leading: ${findings.value.mustNotLead}`
      : findings.error.detail;
    deps.log.error("could not become leader", { detail: standing.trouble });
    return false;
  }
  const promotion = new AbortController();
  standing.promotion = promotion;
  const late = setTimeout(() => promotion.abort(), PROMOTION_MAX_MS);
  const promoted = await promote({
    ...deps,
    fleet: deps.worker.fleet,
    scope: deps.runtime.scope,
    fence: () => fence({ deadlineMs: FENCE_MS }),
    onRegistry: inbox.registry,
    signal: promotion.signal,
  });
  clearTimeout(late);
  standing.promotion = undefined;
  if (!promoted.ok) {
    standing.trouble = promoted.error.detail;
    deps.log.warn("could not become leader yet", { ...promoted.error });
    for (const partition of promoted.error.following ?? []) {
      deps.tail.unfollow(REGISTRY, partition);
    }
    return false;
  }
  standing.trouble = undefined;
  const { registryHarmful } = findings.value;
  await serveTerm({ ...deps, registryHarmful }, standing, promoted.value, inbox, fence);
  return true;
}

async function serveTerm(
  deps: LeadershipDeps & Pick<TermDeps, "registryHarmful">,
  standing: Standing,
  promoted: Promoted,
  inbox: Inbox,
  fence: TermDeps["fence"],
): Promise<void> {
  const { log, standby, tail } = deps;
  const { heartbeatPartitions, registry, epoch, fleet } = promoted;
  warnOfRegistry(deps, registry);
  const term = openTerm({ ...deps, promoted, heartbeatPartitions, inbox, fence });
  dropPartitions(
    term.leaderState,
    registry.map(({ partition }) => partition),
  );
  for (const { partition, applied, madeAgain } of registry) {
    if (madeAgain) forgetOffsets(term.leaderState, partition);
    fleet.applied.set(partition, applied);
    term.leaderState.unsavedApplied.add(partition);
  }
  standby.takeOver(term.onLedger);
  standby.onControl(term.onControl);
  standing.term = term;
  log.info("leading", { epoch, clusters: fleet.clusters.size });
  if (!mayLead(standing)) term.end("the lead was lost while promoting");
  const stopFollowing = followHeartbeats({ ...deps, promoted, term });
  if (standby.lastLeader() !== epoch) term.end("a newer leader wrote its record meanwhile");
  const reason = await term.run();
  inbox.close();
  stopFollowing();
  standing.term = undefined;
  standby.onControl(undefined);
  for (const { partition } of registry) tail.unfollow(REGISTRY, partition);
  log.warn("the term is over", { epoch, reason });
}

const NOT_OWNED: KafkaError = {
  code: "fenced",
  retry: "terminal",
  detail: "the partition of cluster.control is not ours",
};

function warnOfRegistry(
  { log }: LeadershipDeps,
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
function heedProblem(deps: LeadershipDeps, standing: Standing, problem: ReadProblem): void {
  const { log } = deps;
  switch (problem.kind) {
    case "unreachable":
    case "recovered":
      return;
    case "partition-count-changed":
    case "topic-recreated":
    case "offset-out-of-range":
      log.warn("a topic changed under us", { ...problem });
      standing.promotion?.abort();
      if (problem.topic === STATUS) relearn(deps, standing);
      else standing.term?.end(`${problem.topic}: ${problem.kind}`);
      return;
    case "topic-missing":
      log.error("a topic that we need is missing", { topic: problem.topic });
  }
}

/** The ledger was deleted and made again: a leader writes what it knows, a standby reads anew. */
function relearn(deps: LeadershipDeps, standing: Standing): void {
  const { term } = standing;
  if (term === undefined) {
    if (standing.running === undefined) void relearnLedger(deps, standing);
    return;
  }
  deps.log.error("cluster.status lost what was in it; the leader writes its ledger again");
  deps.standby.rereadLedger(0);
  term.rewriteLedger();
}
