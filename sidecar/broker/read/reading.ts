/** Turns an answer of Kafka into a reading: read, failed, or absent if the broker has no such API. */

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

/**
 * Waits until the round is over. Without an answer by then it is a timeout, which says for how long, and
 * what delayed the request.
 */
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
 * No answer yet. If a quota delayed the request, or its connection is not open yet, the broker was not
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
 * The answer, unless its error code says that Kafka refuses or fails. A broker that has the API but calls
 * its version unsupported (during a rolling upgrade it asks an older controller) counts as failed, not as
 * without the API.
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
