/** The registration of `agent run`: tried until it is written, however long Kafka is away. */
import { backoffMs } from "../../shared/backoff.ts";
import { sleep } from "../../shared/deadline.ts";
import type { Log } from "../../shared/log.ts";
import { type Identity, registrationRecord } from "../records.ts";
import { type Kafka, register } from "../registry.ts";

const ATTEMPT_MS_MAX = 10_000;
const BACKOFF = { baseMs: 200, maxMs: 5000 } as const;

export type RegistrationTask = {
  /** Resolves when the first try has ended, however. */
  readonly tried: Promise<void>;
  /** Resolves when it is written, or the signal aborts. */
  readonly ended: Promise<void>;
  /** For people: `written`, or what is wrong. */
  readonly text: () => string;
  readonly written: () => boolean;
};

export function startRegistration(options: {
  readonly kafka: Kafka;
  readonly identity: Identity;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly signal: AbortSignal;
}): RegistrationTask {
  const { kafka, identity, log, signal } = options;
  const first = Promise.withResolvers<void>();
  let text = "not yet written";
  let isWritten = false;

  const attempt = async (): Promise<boolean> => {
    const record = registrationRecord(identity, options.nowMs());
    const outcome = await register(kafka, record, { deadlineMs: ATTEMPT_MS_MAX, signal });
    if (outcome.ok) {
      const { partition, offset } = outcome.value;
      log.info("registered", { client_id: identity.clientId, partition, offset });
      text = "written";
      isWritten = true;
      return true;
    }
    const problem = `not written: ${outcome.error.detail}`;
    if (problem !== text && !signal.aborted) {
      log.warn("could not register; trying again", { detail: outcome.error.detail });
    }
    text = problem;
    return false;
  };

  const work = async () => {
    for (let failures = 0; !signal.aborted; failures += 1) {
      const done = await attempt();
      first.resolve();
      if (done) return;
      await sleep(backoffMs(failures, { ...BACKOFF, random: options.random }), signal);
    }
    first.resolve();
  };
  const ended = work();
  return { tried: first.promise, ended, text: () => text, written: () => isWritten };
}
