/**
 * Does a broker answer at all, within this round? It is asked by ApiVersions: one that is out is waited for
 * over the rounds, and no connection is given up for being silent. It may be the only one that can be had:
 * at the broker's limit of connections a new one is refused, and where a quota mutes it a new one costs more.
 */
import { apiVersionsRequest } from "../../../shared/kafka/api/api-versions.ts";
import type { Reached } from "../../../shared/kafka/connection/connection.ts";
import { quotaText } from "../../../shared/kafka/connection/throttle.ts";
import { timeoutError } from "../../../shared/kafka/error.ts";
import type { RoundClock } from "../round/clock.ts";
import type { ListenerAnswer } from "../snapshot.ts";
import type { Asking, RenewableConnection } from "./connection.ts";
import { answerOf } from "./listener.ts";

/** One that was left from the round before may have been closed since, by a broker that lives. */
const DIALS_MAX = 2;
/** After that a connection that never opened is given up: the way to the broker may have changed. */
const DIAL_MS_MAX = 30_000;

/** `dialled`: over a link that was opened for it. */
export type Life = { readonly answer: ListenerAnswer; readonly dialled: boolean };

export type Ping = { readonly seek: (clock: RoundClock) => Promise<Life> };

type Asked = Asking<unknown> & { readonly dialled: boolean; readonly beganMs: number };

export function openPing(connection: RenewableConnection): Ping {
  let pending: Asked | undefined;
  /** How far the link had come that is asked, when the round before ended. */
  let before: Reached = "nothing";
  let wasSilent = false;

  const begin = (): Asked => {
    const dialled = !connection.isOpen();
    const asking = connection.begin(apiVersionsRequest());
    const asked = { ...asking, dialled, beganMs: performance.now() };
    before = "nothing";
    pending = asked;
    void asked.answer.then(() => {
      if (pending === asked) pending = undefined;
    });
    return asked;
  };

  const left = (): Asked | undefined => {
    if (pending === undefined) return undefined;
    if (!pending.dialled && wasSilent) connection.challenge();
    if (!pending.dialled || performance.now() - pending.beganMs <= DIAL_MS_MAX) return pending;
    pending.drop(`not open after ${DIAL_MS_MAX / 1000} s`);
    return undefined;
  };

  /** At the end of a round; only who took the connection may still answer on it. */
  const silence = (asked: Asked, waitedMs: number, durationMs: number): ListenerAnswer => {
    const late = timeoutError("ApiVersions", Math.round(durationMs));
    const throttledMs = asked.throttledForMs();
    wasSilent = throttledMs + waitedMs <= 0;
    if (!wasSilent) {
      const quota = quotaText(Math.max(0, throttledMs));
      return { kind: "throttled", detail: `${late.detail}: ${quota}`, durationMs };
    }
    const reached = asked.dialled ? newIn(asked.reached(), before) : "connected";
    before = asked.reached();
    if (before === "nothing" || before === "resolved") asked.drop(late.detail);
    const answer = answerOf(late, reached, durationMs);
    return answer.kind === "silent"
      ? { ...answer, isNew: asked.dialled && before !== "open" }
      : answer;
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
      if (dialled) return { answer: answerOf(result.error, asked.reached(), durationMs), dialled };
      // What it had heard before is no answer of now.
      if (dials >= DIALS_MAX) {
        return { answer: answerOf(result.error, "connected", durationMs), dialled };
      }
      asked = begin();
    }
  };
  return { seek };
}

/** What was heard in a round before is no answer of this one. */
const newIn = (reached: Reached, before: Reached): Reached =>
  reached === before && (reached === "secured" || reached === "heard") ? "connected" : reached;
