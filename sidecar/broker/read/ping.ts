/**
 * Does a broker answer at all within this round? The ping is an ApiVersions request. A pending one is
 * awaited over several rounds, and a silent connection is not given up: it may be the only one that we can
 * get, since at a connection limit a new one is refused, and under a quota a new one costs more.
 */
import { apiVersionsRequest } from "../../../shared/kafka/api/api-versions.ts";
import type { Reached } from "../../../shared/kafka/connection/connection.ts";
import { quotaText } from "../../../shared/kafka/connection/throttle.ts";
import { timeoutError } from "../../../shared/kafka/error.ts";
import type { ListenerAnswer } from "../snapshot.ts";
import type { Asking, RenewableConnection } from "./connection.ts";
import { answerOf } from "./listener.ts";
import type { RoundClock } from "./round-clock.ts";

/** A connection from the last round may have been closed since, by a live broker. */
const DIALS_MAX = 2;
/** After this time a connection that never opened is given up: the way to the broker may have changed. */
const DIAL_MS_MAX = 30_000;

/**
 * At these stages a silent broker may still answer on the same connection. If the broker has not accepted
 * the connection, a new one is opened, since the kernel retries ever more seldom. If it answered and then
 * stopped, too, since that was no answer for the next round.
 */
const KEPT: ReadonlySet<Reached> = new Set(["connected", "open"]);

/** `dialled`: over a connection that was opened for it. */
export type Life = { readonly answer: ListenerAnswer; readonly dialled: boolean };

export type Ping = { readonly seek: (clock: RoundClock) => Promise<Life> };

type Asked = Asking<unknown> & { readonly dialled: boolean; readonly beganMs: number };

export function openPing(connection: RenewableConnection): Ping {
  let pending: Asked | undefined;
  let wasSilent = false;

  const begin = (): Asked => {
    const dialled = !connection.isOpen();
    const asking = connection.begin(apiVersionsRequest());
    const asked = { ...asking, dialled, beganMs: performance.now() };
    pending = asked;
    void asked.answer.then(() => {
      if (pending === asked) pending = undefined;
    });
    return asked;
  };

  /** The pending ping of the last round. */
  const left = (): Asked | undefined => {
    if (pending === undefined) return undefined;
    if (wasSilent) connection.challenge();
    const isYoung = performance.now() - pending.beganMs <= DIAL_MS_MAX;
    if (isYoung || pending.reached() === "open") return pending;
    pending.drop(`not open after ${DIAL_MS_MAX / 1000} s`);
    return undefined;
  };

  /** Called at the end of a round. */
  const silence = (asked: Asked, waitedMs: number, durationMs: number): ListenerAnswer => {
    const late = timeoutError("ApiVersions", Math.round(durationMs));
    const throttledMs = asked.throttledForMs();
    wasSilent = throttledMs + waitedMs <= 0;
    if (!wasSilent) {
      const quota = quotaText(Math.max(0, throttledMs));
      return { kind: "throttled", detail: `${late.detail}: ${quota}`, durationMs };
    }
    const reached = asked.reached();
    const answer = answerOf(late, reached, durationMs);
    if (!KEPT.has(reached)) asked.drop(late.detail);
    return answer.kind === "silent" ? { ...answer, isNew: reached === "connected" } : answer;
  };

  const seek = async (clock: RoundClock): Promise<Life> => {
    const sinceMs = clock.observedMs();
    const beganMs = performance.now();
    let asked = left() ?? begin();
    for (let dials = 1; ; dials += 1) {
      const result = await clock.within(asked.answer);
      const durationMs = clock.observedMs() - sinceMs;
      if (result === undefined) {
        const waitedMs = performance.now() - beganMs;
        return { answer: silence(asked, waitedMs, durationMs), dialled: false };
      }
      const { dialled } = asked;
      if (result.ok) return { answer: { kind: "answered", durationMs }, dialled };
      const reached = reachedSince(asked, beganMs);
      if (reached !== undefined || dials >= DIALS_MAX) {
        return { answer: answerOf(result.error, reached ?? "connected", durationMs), dialled };
      }
      asked = begin();
    }
  };
  return { seek };
}

/** What an older connection received earlier is no answer now. */
const reachedSince = (
  { dialled, beganMs, reached }: Asked,
  sinceMs: number,
): Reached | undefined => (dialled && beganMs >= sinceMs ? reached() : undefined);
