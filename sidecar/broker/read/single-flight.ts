/**
 * A question that a broker may take long to answer: DescribeQuorum while no controller leads, log
 * directories on a disk that hangs. It is asked once and awaited over several rounds, since asking again
 * would only add to the broker's backlog.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import type { Asking, RenewableConnection } from "./connection.ts";

/** After this time the connection itself may be broken. */
const HELD_MS_MAX = 30_000;

export type SingleFlightAnswer<T> = Pick<Asking<T>, "answer" | "sentMs" | "throttledForMs"> & {
  /**
   * For how long the broker has had the request; time until its connection was open, or while a quota
   * delayed it, does not count.
   */
  readonly heldMs: () => number;
};

export function openSingleFlight<T>(deps: {
  readonly connection: Pick<RenewableConnection, "begin">;
  readonly request: () => KafkaRequest<T>;
  readonly clock: Clock;
}): { readonly ask: () => SingleFlightAnswer<T> } {
  const {
    connection,
    clock: { monotonicMs },
  } = deps;
  let pending:
    | (SingleFlightAnswer<T> & Pick<Asking<T>, "drop"> & { readonly sinceMs: number })
    | undefined;
  const begin = () => {
    const sinceMs = monotonicMs();
    const asking = connection.begin(deps.request());
    const heldMs = () => monotonicMs() - (asking.sentMs() ?? monotonicMs());
    const asked = { ...asking, sinceMs, heldMs };
    void asking.answer.then(() => {
      if (pending === asked) pending = undefined;
    });
    return asked;
  };
  return {
    ask: () => {
      if (pending !== undefined && monotonicMs() - pending.sinceMs > HELD_MS_MAX) {
        pending.drop(`no answer for ${HELD_MS_MAX / 1000} s`);
        pending = undefined;
      }
      pending ??= begin();
      return pending;
    },
  };
}
