/**
 * Follows, and leads whenever the group assigns the partition to us. It is one loop: each turn makes the
 * same preparation, whether it is the first or follows a loss: the topics, the ledger (from its start if
 * what we knew is no longer valid), and only then a promotion.
 */

import type { ReadProblem } from "../../../shared/kafka/consumer/delivery.ts";
import type { Generation } from "../../../shared/kafka/election/context.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { CONTROL, HEARTBEAT, STATUS } from "../../../shared/protocol/topic.ts";
import { repeat, type Turn } from "../../../shared/retry.ts";
import { createTroubleSpot, type LastingTrouble, troubleOf } from "../follow/readiness.ts";
import { type LeadershipDeps, leadOnce, type StandbyParts } from "./one-term.ts";
import type { Term } from "./term.ts";

const RETRY = { baseMs: 250, maxMs: 10_000 } as const;

export type Leadership = {
  /** Settings of the group membership. */
  readonly onAssigned: (term: Generation) => void;
  readonly onLost: (reason: string) => void;
  /** Our epoch as text while we lead, else "". */
  readonly standing: () => string;
  readonly term: () => Term | undefined;
  /** We own the partition, so we lead. */
  readonly owns: () => boolean;
  readonly onProblem: (problem: ReadProblem) => void;
  /** Why we can neither lead nor follow; undefined if nothing is wrong. */
  readonly trouble: () => LastingTrouble | undefined;
  /** Ends the term, if any; resolves when it is over. */
  readonly close: () => Promise<void>;
};

/** The ledger has been read before: the loop begins by waiting for the group. */
export function openLeadership(deps: LeadershipDeps): Leadership {
  const standing: StandbyParts = {
    owned: undefined,
    term: undefined,
    isStale: false,
    promotion: undefined,
    wake: () => undefined,
    trouble: createTroubleSpot(deps.clock.monotonicMs),
    closing: new AbortController(),
  };
  const ended = keepGoing(deps, standing);
  return {
    onAssigned: (assigned) => {
      standing.owned = assigned;
      standing.wake();
    },
    onLost: (reason) => {
      standing.owned = undefined;
      standing.promotion?.abort();
      standing.term?.end(`the group took leadership away: ${reason}`);
    },
    standing: () => (standing.term === undefined ? "" : String(standing.term.epoch)),
    term: () => standing.term,
    owns: () => standing.owned !== undefined,
    onProblem: (problem) => heedProblem(deps, standing, problem),
    trouble: () => standing.trouble.present() ?? standing.term?.trouble(),
    close: async () => {
      standing.closing.abort();
      standing.promotion?.abort();
      standing.term?.end("shutting down");
      standing.wake();
      await ended;
    },
  };
}

async function keepGoing(deps: LeadershipDeps, standing: StandbyParts): Promise<void> {
  const wanted = () => standing.isStale || standing.owned !== undefined;
  const next = async (): Promise<Turn> => {
    if (!wanted()) {
      await untilWoken(standing);
      return "again";
    }
    const done = await turn(deps, standing);
    if (!wanted()) return "again";
    return done ? "lapsed" : "failed";
  };
  await repeat(next, { ...RETRY, clock: deps.clock }, standing.closing.signal);
}

const untilWoken = (standing: StandbyParts): Promise<void> =>
  new Promise((resolve) => {
    standing.wake = resolve;
    if (standing.closing.signal.aborted) resolve();
  });

/** @returns false if it failed and is tried again */
async function turn(deps: LeadershipDeps, standing: StandbyParts): Promise<boolean> {
  const findings = await deps.prepare();
  if (!findings.ok) return fail(deps, standing, findings.error);
  if (standing.isStale) {
    const restarted = await deps.standby.restart();
    if (!restarted.ok) return fail(deps, standing, restarted.error);
    standing.isStale = false;
  }
  if (standing.owned === undefined) {
    standing.trouble.note(undefined);
    return true;
  }
  const { mustNotLead, registryHarmful } = findings.value;
  if (mustNotLead !== undefined) {
    const detail = `not leading: ${mustNotLead}`;
    return fail(deps, standing, { code: "invalid", detail });
  }
  const led = await leadOnce({ ...deps, registryHarmful }, standing);
  if (led.ok) return true;
  return fail(deps, standing, led.error);
}

function fail(
  { log }: LeadershipDeps,
  { trouble }: StandbyParts,
  error: Pick<KafkaError, "code" | "detail">,
): false {
  const { detail } = error;
  if (trouble.note(troubleOf(error)))
    log.error("could not become leader, trying again", { detail });
  return false;
}

/**
 * Problems that the consumer cannot repair by itself. A topic that changed ends the term: the next
 * promotion reads it again.
 */
function heedProblem(
  { log, standby }: LeadershipDeps,
  standing: StandbyParts,
  problem: ReadProblem,
): void {
  const { term } = standing;
  switch (problem.kind) {
    case "unreachable":
    case "recovered":
      return;
    case "partition-count-changed":
    case "topic-recreated":
    case "offset-out-of-range":
      log.warn("a topic changed under us", { ...problem });
      standing.promotion?.abort();
      if (problem.topic === STATUS && term !== undefined) {
        log.error("cluster.status lost its content; the leader writes its ledger again");
        standby.rereadLedger(0);
        term.rewriteLedger();
        return;
      }
      term?.end(`${problem.topic}: ${problem.kind}`);
      // A standby reads these three.
      if ([STATUS, CONTROL, HEARTBEAT].includes(problem.topic)) standing.isStale = true;
      standing.wake();
      return;
    case "topic-missing":
      log.error("a topic that we need is missing", { topic: problem.topic });
  }
}
