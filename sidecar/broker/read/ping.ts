/** Does a broker answer at all, within this round? */
import { aliveRequest } from "../../../shared/kafka/api/api-versions.ts";
import { timeoutError } from "../../../shared/kafka/error.ts";
import type { RoundClock } from "../round/clock.ts";
import type { ListenerAnswer } from "../snapshot.ts";
import type { RenewableConnection } from "./connection.ts";
import { answerOf } from "./listener.ts";

/** One that was left from the round before may have been closed since, by a broker that lives. */
const DIALS_MAX = 2;

/** `dialled`: over a link that was opened for it. */
export async function ping(
  connection: RenewableConnection,
  clock: RoundClock,
): Promise<{ readonly answer: ListenerAnswer; readonly dialled: boolean }> {
  const sinceMs = clock.observedMs();
  for (let dials = 1; ; dials += 1) {
    const dialled = !connection.isOpen();
    const asked = connection.begin(aliveRequest());
    const result = await clock.within(asked.answer);
    const durationMs = clock.observedMs() - sinceMs;
    if (result?.ok === true) return { answer: { kind: "answered", durationMs }, dialled };
    const error = result?.error ?? timeoutError("ApiVersions", Math.round(durationMs));
    // What an open one had heard before is no answer of now.
    const reached = dialled ? asked.reached() : "connected";
    if (result === undefined) asked.drop(error.detail);
    if (dialled || result === undefined || dials >= DIALS_MAX) {
      return { answer: answerOf(error, reached, durationMs), dialled };
    }
  }
}
