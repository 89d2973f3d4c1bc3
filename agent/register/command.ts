/**
 * The one-shot commands, `register` and `deregister`: Helm's hooks. HOOK_TIMEOUT limits all that they do,
 * and they end with one line and an exit code (shared/exit.ts).
 */
import type { Clock } from "../../shared/clock.ts";
import { type Deadline, startDeadline } from "../../shared/deadline.ts";
import { formatDuration } from "../../shared/duration.ts";
import { EXIT } from "../../shared/exit.ts";
import { exitCodeOf, type KafkaError } from "../../shared/kafka/error.ts";
import type { KafkaLog } from "../../shared/kafka/log.ts";
import { REGISTRY } from "../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Target } from "../confirmation/confirmation.ts";
import {
  awaitAnswer,
  findReason,
  findStart,
  type Start,
  type Waited,
} from "../confirmation/wait.ts";
import type { CommandOutcome } from "../outcome.ts";
import { type Identity, registrationRecord, tombstoneRecord } from "../records.ts";
import {
  findRegistry,
  type Kafka,
  type Published,
  prepareTopics,
  publish,
  retried,
} from "../registry.ts";
import { answerMissing, type FailurePolicy } from "./failure-policy.ts";

/** Time to find where the answers begin; at most half of the remaining time. */
const START_MS_MAX = 5000;

/** How far a command has come: from `write` on its record may be in Kafka, from `written` on it is. */
export type Stage = "reach" | "write" | "written";

export type HookOptions = {
  readonly action: "register" | "deregister";
  readonly identity: Identity;
  readonly kafka: Kafka;
  readonly log: KafkaLog;
  readonly brokers: readonly string[];
  /** HOOK_TIMEOUT, for messages. */
  readonly timeoutMs: number;
  /** The remaining time, minus a reserve for the end. */
  readonly budgetMs: number;
  readonly waitMs: number | undefined;
  readonly failurePolicy: FailurePolicy;
  /** For `deregister`: withdraw although two agents beat under this client id. */
  readonly force: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called before the record is written, and once Kafka has it. */
  readonly came: (stage: Stage) => void;
};

/** The refusal of a tombstone whose installation another one has replaced: it is gone already. */
const REPLACED = "other-installation";

type Failure = { readonly step: Exclude<Stage, "written">; readonly error: KafkaError };

export async function runHook(options: HookOptions): Promise<CommandOutcome> {
  const deadline = startDeadline({ deadlineMs: options.budgetMs, signal: options.signal });
  if ((options.waitMs ?? 0) > options.timeoutMs) {
    options.kafka.warn("--wait is longer than HOOK_TIMEOUT, which limits the whole command", {
      hook_timeout_ms: options.timeoutMs,
    });
  }
  const reached = await reach(options, deadline);
  if (!reached.ok) return failure(options, { step: "reach", error: reached.error });
  const { topicId, start } = reached.value;
  if (topicId === undefined) return nothingToWithdraw(options);
  options.came("write");
  const written = await retried(deadline, (call) =>
    publish(options.kafka, { topicId, record: recordOf(options) }, call),
  );
  if (!written.ok) return failure(options, { step: "write", error: written.error });
  options.came("written");
  if (options.waitMs === undefined) {
    return { exit: EXIT.done, line: writtenText(options, written.value) };
  }
  return waitFor(options, { deadline, waitMs: options.waitMs, written: written.value, start });
}

const recordOf = ({ action, identity, force, clock: { nowMs } }: HookOptions) =>
  action === "register" ? registrationRecord(identity, nowMs()) : tombstoneRecord(identity, force);

type Reached = {
  /** Undefined: there is no registry. */
  readonly topicId: string | undefined;
  readonly start: Result<Start, KafkaError>;
};

/** Creates missing topics, then notes where the answers will begin, before the record is written. */
async function reach(
  { action, kafka, waitMs }: HookOptions,
  deadline: Deadline,
): Promise<Result<Reached, KafkaError>> {
  const topicId = await retried<string | undefined>(deadline, (call) =>
    action === "register" ? prepareTopics(kafka, call) : findRegistry(kafka, call),
  );
  if (!topicId.ok) return topicId;
  if (waitMs === undefined) return ok({ topicId: topicId.value, start: err(NOT_ASKED) });
  // An unreadable ledger is no reason not to register.
  const limitMs = Math.min(START_MS_MAX, deadline.leftMs() / 2);
  const brief = startDeadline(deadline.call(limitMs));
  const start = await retried(brief, (call) => findStart(kafka.client, call));
  return ok({ topicId: topicId.value, start });
}

const NOT_ASKED: KafkaError = { code: "invalid", retry: "terminal", detail: "not asked for" };

type Waiting = {
  readonly deadline: Deadline;
  readonly waitMs: number;
  readonly written: Published;
  readonly start: Result<Start, KafkaError>;
};

async function waitFor(options: HookOptions, waiting: Waiting): Promise<CommandOutcome> {
  const { written, start, waitMs } = waiting;
  if (!start.ok) return unreadable(options, written, start.error);
  const limitMs = Math.min(waitMs, waiting.deadline.leftMs());
  const deadline = startDeadline(waiting.deadline.call(limitMs));
  const { action, identity, kafka, log } = options;
  const target: Target = { action, clientId: identity.clientId, ...written };
  const reading = { client: kafka.client, log, deadline };
  const waited = await awaitAnswer(reading, target, start.value);
  const tookMs = deadline.totalMs - deadline.leftMs();
  if (waited.kind === "failed") return unreadable(options, written, waited.error);
  if (waited.kind !== "refused") return answered(options, { written, waited, tookMs });
  const reason = await findReason({ ...reading, deadline: waiting.deadline }, target, start.value);
  if (reason?.reason === REPLACED && action === "deregister") {
    const line = `nothing to withdraw for ${identity.clientId}: ${reason.detail}`;
    return { exit: EXIT.done, line };
  }
  const why = reason === undefined ? waited.detail : `${reason.reason}: ${reason.detail}`;
  return {
    exit: EXIT.refused,
    line: `${options.action} ${identity.clientId}: the control plane refused the record ${placeText(written)}: ${why}`,
  };
}

function answered(
  options: HookOptions,
  {
    written,
    waited,
    tookMs,
  }: {
    readonly written: Published;
    readonly waited: Exclude<Waited, { readonly kind: "failed" | "refused" }>;
    readonly tookMs: number;
  },
): CommandOutcome {
  const head = writtenText(options, written);
  const after = `after ${(tookMs / 1000).toFixed(1)} s`;
  switch (waited.kind) {
    case "done":
      return { exit: EXIT.done, line: `${head}; ${waited.detail} ${after}` };
    case "withdrawn":
      return { exit: EXIT.refused, line: `${head}; ${waited.detail}` };
    case "open": {
      const limit = limitText(options, tookMs);
      const line = `${head}; not confirmed ${after} (${limit}): ${waited.detail}`;
      return answerMissing({ exit: EXIT.unconfirmed, line }, options.failurePolicy);
    }
  }
}

/** What ended the wait. */
function limitText({ waitMs = 0, timeoutMs, signal }: HookOptions, tookMs: number): string {
  if (signal.aborted) return "stopped by a signal";
  if (tookMs < waitMs - 1) return `HOOK_TIMEOUT ${formatDuration(timeoutMs)}`;
  return `--wait ${formatDuration(waitMs)}`;
}

const placeText = ({ partition, offset }: Published): string =>
  `(${REGISTRY}-${partition} @ ${offset})`;

const writtenText = ({ action, identity }: HookOptions, written: Published): string =>
  `${action === "register" ? "registered" : "withdrew"} ${identity.clientId} ${placeText(written)}`;

const nothingToWithdraw = ({ identity }: HookOptions): CommandOutcome => ({
  exit: EXIT.done,
  line: `nothing to withdraw for ${identity.clientId}: this Kafka has no topic ${REGISTRY}`,
});

function unreadable(options: HookOptions, written: Published, error: KafkaError): CommandOutcome {
  const head = writtenText(options, written);
  const outcome: CommandOutcome =
    error.retry === "transient"
      ? {
          exit: EXIT.unconfirmed,
          line: `${head}; not confirmed: the ledger could not be read: ${error.detail}`,
        }
      : { exit: exitCodeOf(error), line: `${head}; the answer cannot be read: ${error.detail}` };
  return answerMissing(outcome, options.failurePolicy);
}

/** The outcome for the timer of last resort. */
export function lateOutcome(
  { action, identity, failurePolicy }: Pick<HookOptions, "action" | "identity" | "failurePolicy">,
  stage: Stage,
): CommandOutcome {
  const head = `${action} ${identity.clientId}: HOOK_TIMEOUT is over, and something still hangs`;
  if (stage === "reach") return { exit: EXIT.unavailable, line: head };
  if (stage === "write") {
    return { exit: EXIT.unconfirmed, line: `${head}; the record may be written; run it again` };
  }
  const line = `${head}; the record is written, and not confirmed`;
  return answerMissing({ exit: EXIT.unconfirmed, line }, failurePolicy);
}

/** Kafka was reached and then lost: the record may be there, so the code is 75, not 69. */
function failure(options: HookOptions, { step, error }: Failure): CommandOutcome {
  const { action, identity, brokers, timeoutMs, signal } = options;
  const head = `${action} ${identity.clientId}`;
  if (signal.aborted) {
    return { exit: EXIT.unconfirmed, line: `${head}: stopped before it was confirmed` };
  }
  if (error.retry === "terminal") {
    return { exit: exitCodeOf(error), line: `${head}: ${error.detail}; ${adviceText(error)}` };
  }
  const limit = `within HOOK_TIMEOUT (${formatDuration(timeoutMs)})`;
  if (step === "write") {
    const line = `${head}: not confirmed ${limit}, it may still happen: ${error.detail}; run it again`;
    return { exit: EXIT.unconfirmed, line };
  }
  const at = brokers.join(",");
  return {
    exit: EXIT.unavailable,
    line: `${head}: Kafka at ${at} cannot be reached ${limit}: ${error.detail}; check KAFKA_BROKERS and the network`,
  };
}

function adviceText({ code }: KafkaError): string {
  if (code === "authentication") {
    return "check SASL_USERNAME, SASL_PASSWORD, SASL_MECHANISM and the TLS files";
  }
  if (code === "authorization") return "grant this agent's Kafka user that permission";
  return "see the agent's log";
}
