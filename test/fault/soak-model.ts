/**
 * What each verdict of a broker sidecar may be while faults are played: judged from the faults' times
 * alone, never from what other sidecars say. Times are of `performance.now()`. Pure.
 *
 * Invariants of the product that it holds verdicts against:
 *  - live fails only when its own broker was away, hung or starved while the round was made;
 *  - a broker that has been away or hung for two rounds and a half is neither live nor ready;
 *  - without a quorum nobody is ready, and all that answer are live;
 *  - while one of three replicas is away, stopping another is not safe;
 *  - in the calm after the cluster was whole again, everyone is ready and may be stopped.
 */
import type { Probed } from "../bed/broker-sidecar/answer.ts";
import type { ProbeName } from "../bed/broker-sidecar/sidecar.ts";

/**
 * `away`: no process, or one that was told to end. `hung`: SIGSTOP. `slow`: our own witness waited for it,
 * too, because the machine starved it. Those of sidecars are apart.
 */
type FaultKind = "away" | "hung" | "slow" | "sidecar-away" | "sidecar-hung";

export type Span = {
  readonly kind: FaultKind;
  readonly node: number;
  fromMs: number;
  /** Infinity: it lasts. */
  toMs: number;
};

export type Times = {
  readonly nodes: readonly number[];
  readonly intervalMs: number;
  /** Kafka's broker.session.timeout.ms, after which a dead broker is out of all ISRs. */
  readonly sessionMs: number;
  /** Until the nodes that are left have elected a leader, or have noticed that they cannot. */
  readonly electionMs: number;
  /** What the machine and our own clock may be late by. */
  readonly slackMs: number;
};

export type Story = {
  readonly times: Times;
  readonly spans: readonly Span[];
  /** When the cluster was whole and settled; ended by the next fault. */
  readonly calm: readonly { readonly fromMs: number; readonly toMs: number }[];
};

/** What is wrong with an answer; undefined when it may be. */
export function wrongIn(
  story: Story,
  node: number,
  probe: ProbeName,
  answer: Probed,
): string | undefined {
  const isWell = answer.code === 200;
  const atMs = answer.atMs + answer.tookMs;
  switch (probe) {
    case "live":
      return isWell
        ? overdue(story, node, atMs - starvedMs(story.times, answer), startsAnew(answer))
        : falseAlarm(story, node, answer.roundMs, atMs);
    case "ready":
      return isWell ? wronglyReady(story, node, atMs) : inCalm(story, answer, atMs);
    case "restart-safe":
      return isWell ? wronglySafe(story, node, atMs) : inCalm(story, answer, atMs);
    case "startup":
      return undefined;
  }
}

const startsAnew = ({ body }: Probed): boolean =>
  body.checks.some(
    ({ check, reason }) => check === "broker-answers" && reason.startsWith("starting"),
  );

/** A sidecar that was short of CPU in the round in which it first heard nothing may wait for one more. */
function starvedMs({ intervalMs }: Times, { body }: Probed): number {
  const isStarved = body.checks.some(
    ({ check, reason }) => check === "broker-answers" && reason.includes("our own timer was late"),
  );
  return isStarved ? 2 * intervalMs : 0;
}

const seenWithinMs = ({ intervalMs, slackMs }: Times): number => 2 * intervalMs + 500 + slackMs;

/** Was it in trouble without a break from `fromMs` to `toMs`? */
const throughout = ({ spans }: Story, node: number, fromMs: number, toMs: number): boolean =>
  spans.some(
    (span) => span.node === node && isKafkas(span) && span.fromMs <= fromMs && span.toMs >= toMs,
  );

const isKafkas = ({ kind }: Span): boolean => kind === "away" || kind === "hung";

const overlaps = (span: Span, fromMs: number, toMs: number): boolean =>
  span.fromMs <= toMs && span.toMs >= fromMs;

/** A sidecar that was itself stopped, or not there, gets the time again. */
function sidecarSlept({ spans }: Story, node: number, fromMs: number, toMs: number): boolean {
  return spans.some(
    (span) =>
      span.node === node && span.kind.startsWith("sidecar-") && overlaps(span, fromMs, toMs),
  );
}

function overdue(story: Story, node: number, atMs: number, starts: boolean): string | undefined {
  const sinceMs = atMs - seenWithinMs(story.times);
  if (starts || sidecarSlept(story, node, sinceMs, atMs)) return undefined;
  return throughout(story, node, sinceMs, atMs)
    ? "still healthy, and its broker is not"
    : undefined;
}

function falseAlarm(
  { spans, times }: Story,
  node: number,
  roundMs: number | undefined,
  atMs: number,
): string | undefined {
  if (roundMs === undefined) return "fails before its first round";
  const fromMs = roundMs - times.slackMs;
  const explained = spans.some(
    (span) =>
      span.node === node &&
      (isKafkas(span) || span.kind === "slow") &&
      overlaps(span, fromMs, atMs),
  );
  return explained ? undefined : "fails, and nothing befell its broker";
}

function wronglyReady(story: Story, node: number, atMs: number): string | undefined {
  const { times } = story;
  const late = overdue(story, node, atMs, false);
  if (late !== undefined) return late;
  const sinceMs = atMs - seenWithinMs(times) - times.electionMs;
  if (sidecarSlept(story, node, sinceMs, atMs)) return undefined;
  const lost = times.nodes.filter((each) => throughout(story, each, sinceMs, atMs));
  return 2 * lost.length > times.nodes.length ? `ready without a quorum (${lost})` : undefined;
}

function wronglySafe(story: Story, node: number, atMs: number): string | undefined {
  const { times } = story;
  const late = overdue(story, node, atMs, false);
  if (late !== undefined) return late;
  const sinceMs = atMs - seenWithinMs(times) - times.sessionMs - times.electionMs;
  if (sidecarSlept(story, node, sinceMs, atMs)) return undefined;
  const gone = times.nodes.find((each) => each !== node && throughout(story, each, sinceMs, atMs));
  return gone === undefined ? undefined : `safe to stop, and broker ${gone} is away`;
}

/** Starved brokers have no calm. */
function inCalm({ calm, spans, times }: Story, answer: Probed, atMs: number): string | undefined {
  const isCalm = calm.some(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs);
  const sinceMs = (answer.roundMs ?? atMs) - times.slackMs;
  const starved = spans.some((span) => span.kind === "slow" && overlaps(span, sinceMs, atMs));
  return isCalm && !starved ? `fails in the calm: ${answer.body.error}` : undefined;
}
