/**
 * The registration of `agent run`: retried until it is written, however long Kafka is away, and written
 * again when the registry, or Kafka itself, was recreated.
 */
import type { Clock } from "../../shared/clock.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { Log } from "../../shared/log.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { ALWAYS, retry } from "../../shared/retry.ts";
import { type Identity, registrationRecord } from "../records.ts";
import { findRegistryPlace, type Kafka, type RegistryPlace, register } from "../registry.ts";
import type { StandingTask } from "./standing.ts";

const ATTEMPT_MS_MAX = 10_000;
const BACKOFF = { baseMs: 200, maxMs: 5000 } as const;
/** The stale deadline in intervals (docs/protocol.md): the registration is written again at most that often. */
const LOOK_INTERVALS = 4;
/**
 * But at least this often: a control plane that begins without a ledger waits only for CLEANUP_TIMEOUT, 5
 * minutes.
 */
const LOOK_MS_MAX = 120_000;

/** @param chance in [0, 1). @returns ms until the next check that our registration is still there */
export const untilNextLookMs = (intervalMs: number, chance: number): number =>
  Math.min(intervalMs * LOOK_INTERVALS, LOOK_MS_MAX) * (1 + chance / 2);

export type RegistrationTask = {
  /** Resolves when the first attempt has ended, successful or not. */
  readonly tried: Promise<void>;
  /** Resolves after the signal, when nothing is under way any more. */
  readonly ended: Promise<void>;
  /** For people: `written`, or what is wrong. */
  readonly text: () => string;
  readonly written: () => boolean;
};

export function startRegistration(options: {
  readonly kafka: Kafka;
  readonly identity: Identity;
  /** No person asked for it: refused if an operator has withdrawn this cluster. */
  readonly automatic: boolean;
  readonly standing: StandingTask;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): RegistrationTask {
  const { kafka, identity, automatic, standing, log, clock, signal } = options;
  const first = Promise.withResolvers<void>();
  let text = "not yet written";
  let isWritten = false;
  /** The registry in which we are registered. */
  let place: RegistryPlace | undefined;

  const attempt = async (): Promise<Result<null, KafkaError>> => {
    const record = registrationRecord(identity, clock.nowMs(), automatic);
    const call = { deadlineMs: ATTEMPT_MS_MAX, signal };
    const start = await standing.start(call);
    const outcome = await register(kafka, record, call);
    if (outcome.ok) {
      const { partition, offset } = outcome.value;
      log.info("registered", { client_id: identity.clientId, partition, offset });
      text = "written";
      isWritten = true;
      place = { clusterId: undefined, topicId: outcome.value.topicId };
      standing.registered(outcome.value, start);
      return ok(null);
    }
    const problem = `not written: ${outcome.error.detail}`;
    if (problem !== text && !signal.aborted) {
      log.warn("could not register; trying again", { detail: outcome.error.detail });
    }
    text = problem;
    return err(outcome.error);
  };

  const untilWritten = async (): Promise<void> => {
    const policy = { ...BACKOFF, clock, again: ALWAYS, failed: () => first.resolve() };
    if (!signal.aborted) await retry(attempt, policy, signal);
    first.resolve();
  };

  /**
   * A registry that cannot be asked counts as the same one. A cluster that was withdrawn or refused stays
   * so, except after a conflict.
   */
  const look = async (): Promise<void> => {
    if (standing.refusedInConflict()) {
      log.info(
        "registering again: the last registration was refused while two agents beat in turn",
      );
      await untilWritten();
      return;
    }
    const found = await findRegistryPlace(kafka, { deadlineMs: ATTEMPT_MS_MAX, signal });
    if (!found.ok || signal.aborted) return;
    const before = place;
    const { kind } = standing.standing();
    const stays = kind === "withdrawn" || kind === "refused";
    if (stays || before === undefined || !isOther(before, found.value)) {
      place = found.value;
      return;
    }
    log.warn("the registry, or Kafka itself, was recreated: registering again", {
      before,
      now: found.value,
    });
    await untilWritten();
  };

  const work = async () => {
    await untilWritten();
    while (!signal.aborted) {
      await clock.sleep(untilNextLookMs(identity.heartbeatIntervalMs, clock.random()), signal);
      if (!signal.aborted) await look();
    }
  };
  const ended = work();
  return { tried: first.promise, ended, text: () => text, written: () => isWritten };
}

/** A missing registry counts as another one, because we must be in it when it is recreated. */
const isOther = (known: RegistryPlace, now: RegistryPlace): boolean =>
  known.topicId !== now.topicId ||
  (known.clusterId !== undefined && known.clusterId !== now.clusterId);
