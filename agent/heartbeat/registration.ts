/**
 * The registration of `agent run`: tried until it is written, however long Kafka is away, and written
 * again when the registry has been made again, or Kafka itself.
 */
import { backoffMs } from "../../shared/backoff.ts";
import { sleep } from "../../shared/deadline.ts";
import type { Log } from "../../shared/log.ts";
import { type Identity, registrationRecord } from "../records.ts";
import { findRegistryPlace, type Kafka, type RegistryPlace, register } from "../registry.ts";
import type { StandingTask } from "./standing.ts";

const ATTEMPT_MS_MAX = 10_000;
const BACKOFF = { baseMs: 200, maxMs: 5000 } as const;
/** A stale deadline's worth of intervals (docs/protocol.md): so often at most it is written anew. */
const LOOK_INTERVALS = 4;
/** But so often in any case: a control plane that begins without a ledger waits for CLEANUP_TIMEOUT, 5 minutes, and no longer. */
const LOOK_MS_MAX = 120_000;

/** @param chance in [0, 1). @returns ms until it is looked at again where our registration is */
export const untilNextLookMs = (intervalMs: number, chance: number): number =>
  Math.min(intervalMs * LOOK_INTERVALS, LOOK_MS_MAX) * (1 + chance / 2);

export type RegistrationTask = {
  /** Resolves when the first try has ended, however. */
  readonly tried: Promise<void>;
  /** Resolves when nothing of it is under way any more, after the signal. */
  readonly ended: Promise<void>;
  /** For people: `written`, or what is wrong. */
  readonly text: () => string;
  readonly written: () => boolean;
};

export function startRegistration(options: {
  readonly kafka: Kafka;
  readonly identity: Identity;
  /** Not said by a person: refused where an operator has withdrawn this cluster. */
  readonly automatic: boolean;
  readonly standing: StandingTask;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly signal: AbortSignal;
}): RegistrationTask {
  const { kafka, identity, automatic, standing, log, random, signal } = options;
  const first = Promise.withResolvers<void>();
  let text = "not yet written";
  let isWritten = false;
  /** The registry that we are in. */
  let place: RegistryPlace | undefined;

  const attempt = async (): Promise<boolean> => {
    const record = registrationRecord(identity, options.nowMs(), automatic);
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
      return true;
    }
    const problem = `not written: ${outcome.error.detail}`;
    if (problem !== text && !signal.aborted) {
      log.warn("could not register; trying again", { detail: outcome.error.detail });
    }
    text = problem;
    return false;
  };

  const untilWritten = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted; failures += 1) {
      const done = await attempt();
      first.resolve();
      if (done) return;
      await sleep(backoffMs(failures, { ...BACKOFF, random }), signal);
    }
    first.resolve();
  };

  /** What cannot be asked is no other registry, and whoever is withdrawn or refused stays so, but for a conflict. */
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
    log.warn("the registry has been made again, or Kafka itself: registering again", {
      before,
      now: found.value,
    });
    await untilWritten();
  };

  const work = async () => {
    await untilWritten();
    while (!signal.aborted) {
      await sleep(untilNextLookMs(identity.heartbeatIntervalMs, random()), signal);
      if (!signal.aborted) await look();
    }
  };
  const ended = work();
  return { tried: first.promise, ended, text: () => text, written: () => isWritten };
}

/** A registry that is not there counts as another one: whoever makes it again needs us in it. */
const isOther = (known: RegistryPlace, now: RegistryPlace): boolean =>
  known.topicId !== now.topicId ||
  (known.clusterId !== undefined && known.clusterId !== now.clusterId);
