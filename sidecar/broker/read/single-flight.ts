/**
 * A question that a broker may hold for long: DescribeQuorum while no controller leads, log directories
 * on a disk that hangs. It is asked once and waited for over the rounds, since asking again would add to
 * what the broker has to do when it can.
 */

import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import type { Asking, RenewableConnection } from "./connection.ts";

/** Then the connection itself may be what is broken. */
const HELD_MS_MAX = 30_000;

export type SingleFlightAnswer<T> = Pick<Asking<T>, "answer" | "sentMs" | "throttledForMs"> & {
  /** For how long the broker has had it: what waits for its connection, or for the end of a quota's time, it does not hold. */
  readonly heldMs: () => number;
};

export function openSingleFlight<T>(deps: {
  readonly connection: Pick<RenewableConnection, "begin">;
  readonly request: () => KafkaRequest<T>;
  readonly monotonicMs: () => number;
}): { readonly ask: () => SingleFlightAnswer<T> } {
  const { connection, monotonicMs } = deps;
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
