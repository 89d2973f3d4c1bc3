/** From an answer of Kafka's to a reading: read, failed, or absent where the broker has no such API. */

import { quotaText } from "../../../shared/kafka/connection/throttle.ts";
import { type KafkaError, timeoutError } from "../../../shared/kafka/error.ts";
import { err, type Result } from "../../../shared/result.ts";
import type { Reading } from "../snapshot.ts";
import type { Asking } from "./connection.ts";
import type { RoundClock } from "./round-clock.ts";

export function readingOf<T>(result: Result<T, KafkaError>, durationMs: number): Reading<T> {
  if (result.ok) return { kind: "read", value: result.value, durationMs };
  const { error } = result;
  if (error.code === "unsupported") return { kind: "absent", reason: error.detail };
  return { kind: "failed", error, durationMs };
}

/** Waits until the round is over; no answer by then is a timeout that says for how long, and what held it up on the way. */
export async function readWithin<T>(
  clock: RoundClock,
  what: string,
  answer: Promise<Result<T, KafkaError>>,
  asked?: OnItsWay,
): Promise<Reading<T>> {
  const sinceMs = clock.observedMs();
  const result = await clock.within(answer);
  const durationMs = clock.observedMs() - sinceMs;
  return readingOf(result ?? err(lateError(what, durationMs, asked)), durationMs);
}

type OnItsWay = Pick<Asking<unknown>, "sentMs" | "throttledForMs">;

/**
 * No answer yet; what a quota held back for a part of the wait, or has no connection yet, the broker was not
 * asked in time.
 */
export function lateError(what: string, waitedMs: number, asked?: OnItsWay): KafkaError {
  const late = timeoutError(what, Math.round(waitedMs));
  if (asked === undefined) return late;
  const throttledMs = asked.throttledForMs();
  if (throttledMs + waitedMs > 0) {
    const quota = quotaText(Math.max(0, throttledMs));
    return { ...late, detail: `${late.detail}: ${quota}`, isThrottled: true };
  }
  if (asked.sentMs() !== undefined) return late;
  return { ...late, detail: `${late.detail}: its connection is not open yet, or muted by a quota` };
}

/**
 * The answer, unless its error code says that Kafka refuses or fails. One that has the API and calls its
 * version unsupported (it asks an older controller, in a rolling upgrade) did not say: it is not without it.
 */
export function unlessError<T, V>(
  result: Result<T, KafkaError>,
  evaluate: (value: T) => Result<V, KafkaError>,
): Result<V, KafkaError> {
  if (!result.ok) return result;
  const said = evaluate(result.value);
  if (said.ok || said.error.code !== "unsupported") return said;
  return err({ ...said.error, code: "broker" });
}

export function mapReading<T, V>(reading: Reading<T>, map: (value: T) => V): Reading<V> {
  return reading.kind === "read" ? { ...reading, value: map(reading.value) } : reading;
}
