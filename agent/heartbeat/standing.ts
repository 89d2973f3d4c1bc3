/**
 * The cluster's standing, as the ledger has it: the answer to our own registration, and once an hour the
 * answer to a beat that asks. Each time the ledger is read from its present end, for a limited time and
 * without a group; it is not followed.
 *
 * If it cannot be read, the standing is unknown: neither accepted nor refused.
 */
import { type Clock, sleep } from "../../shared/clock.ts";
import { type Call, startDeadline } from "../../shared/deadline.ts";
import type { KafkaLog } from "../../shared/kafka/log.ts";
import type { Log } from "../../shared/log.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import {
  type Confirm,
  confirmAccepted,
  confirmStanding,
  type Target,
} from "../confirmation/confirmation.ts";
import {
  awaitAnswer,
  findReason,
  findStart,
  type Start,
  type Waited,
} from "../confirmation/wait.ts";
import type { Kafka, Published } from "../registry.ts";

const START_MS_MAX = 5_000;
/** Long enough for a failover, as for an operator's commands. */
const ANSWER_MS_MAX = 30_000;
const REASON_MS_MAX = 5_000;
/** The one refusal (docs/protocol.md) that ends by itself. */
const IDENTITY_CONFLICT = "identity-conflict";
const HOUR_MS = 3_600_000;
/** When a process that does not register asks first: random, so that many restarted agents do not ask at once. */
const FIRST_MS_MAX = 10_000;

export type AgentStanding = {
  readonly kind: "unknown" | "accepted" | "conflict" | "withdrawn" | "refused";
  readonly detail: string;
};

export type StandingTask = {
  readonly standing: () => AgentStanding;
  /** Notes where the answers to a record that is about to be written will begin. */
  readonly start: (call: Call) => Promise<Start | undefined>;
  /** Our registration was refused because two agents beat in turn, which ends by itself. */
  readonly refusedInConflict: () => boolean;
  /** Our registration was written: reads the answer in the background. */
  readonly registered: (written: Published, start: Start | undefined) => void;
  /** Asks once an hour until the signal aborts; `ask` lets the next beat ask, if beats arrive. */
  readonly run: (ask: () => boolean, asksAtOnce: boolean) => Promise<void>;
};

export function openStanding(deps: {
  readonly kafka: Kafka;
  readonly clientId: ClientId;
  /** Our installation, if this agent registers itself. */
  readonly installationId: string | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): StandingTask {
  const {
    kafka,
    clientId,
    installationId,
    log,
    clock: { random },
    signal,
  } = deps;
  const kafkaLog: KafkaLog = (_level, message, fields) => log.debug(message, fields);
  let standing: AgentStanding = { kind: "unknown", detail: "not yet answered by a control plane" };
  let isInConflict = false;

  const become = (next: AgentStanding): void => {
    if (next.kind !== standing.kind) report(log, next);
    standing = next;
  };

  const start: StandingTask["start"] = async (call) => {
    const deadlineMs = Math.min(START_MS_MAX, call.deadlineMs / 2);
    const found = await findStart(kafka.client, { ...call, deadlineMs });
    if (found.ok) return found.value;
    const detail = `the ledger cannot be read: ${found.error.detail}`;
    if (standing.kind === "unknown") become({ kind: "unknown", detail });
    return undefined;
  };

  const takeRefusal = async (target: Target, from: Start, detail: string): Promise<void> => {
    const deadline = startDeadline({ deadlineMs: REASON_MS_MAX, signal });
    const reading = { client: kafka.client, log: kafkaLog, deadline };
    const reason = await findReason(reading, target, from);
    if (reason !== undefined) isInConflict = reason.reason === IDENTITY_CONFLICT;
    const why = reason === undefined ? detail : `${reason.reason}: ${reason.detail}`;
    become({ kind: "refused", detail: why });
  };

  /** Without an answer the standing stays as it was: the control plane's silence says nothing about us. */
  const read = async (target: Target, from: Start, judge: Confirm): Promise<void> => {
    const deadline = startDeadline({ deadlineMs: ANSWER_MS_MAX, signal });
    const reading = { client: kafka.client, log: kafkaLog, deadline };
    const waited = await awaitAnswer(reading, target, from, judge);
    if (signal.aborted) return;
    if (waited.kind === "refused") {
      await takeRefusal(target, from, waited.detail);
      return;
    }
    if (waited.kind === "open" || waited.kind === "failed") {
      if (standing.kind === "unknown") become({ kind: "unknown", detail: openText(waited) });
      return;
    }
    const answer = answered(waited);
    if (answer.kind !== "conflict") isInConflict = false;
    become(answer);
  };

  const ask = async (send: () => boolean): Promise<void> => {
    const from = await start({ deadlineMs: START_MS_MAX, signal });
    if (from === undefined || !send()) return;
    const nowhere = { topicId: "", partition: 0, offset: 0 };
    await read({ action: "register", clientId, installationId, ...nowhere }, from, confirmStanding);
  };

  return {
    standing: () => standing,
    refusedInConflict: () => isInConflict,
    start,
    registered: (written, from) => {
      if (from === undefined) return;
      const target: Target = { action: "register", clientId, installationId, ...written };
      void read(target, from, confirmAccepted);
    },
    run: async (send, asksAtOnce) => {
      if (asksAtOnce) await sleep(random() * FIRST_MS_MAX, signal);
      else await sleep(hourly(random()), signal);
      while (!signal.aborted) {
        await ask(send);
        await sleep(hourly(random()), signal);
      }
    },
  };
}

/** 54 to 66 minutes. */
const hourly = (random: number): number => HOUR_MS * (0.9 + 0.2 * random);

function answered(waited: Extract<Waited, { readonly kind: "done" | "withdrawn" }>): AgentStanding {
  if (waited.kind === "withdrawn") return { kind: "withdrawn", detail: waited.detail };
  return { kind: waited.conflict === true ? "conflict" : "accepted", detail: waited.detail };
}

const openText = (waited: Extract<Waited, { readonly kind: "open" | "failed" }>): string =>
  waited.kind === "open" ? waited.detail : waited.error.detail;

/** Logs each change once; a metric and /health/kafka report it for as long as it lasts. */
function report(log: Log, { kind, detail }: AgentStanding): void {
  switch (kind) {
    case "unknown":
      return;
    case "accepted":
      log.info("the control plane has accepted this cluster", { detail });
      return;
    case "conflict":
      log.error("another agent beats under this client id", { detail });
      return;
    case "withdrawn":
      log.error("this cluster has been withdrawn: no worker runs for it", { detail });
      return;
    case "refused":
      log.error("the control plane refused this cluster's registration", { detail });
  }
}

export const standingText = ({ kind, detail }: AgentStanding): string =>
  kind === "accepted" ? "accepted" : `${kind}: ${detail}`;
