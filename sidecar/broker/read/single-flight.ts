/**
 * A question that a broker may hold for long: DescribeQuorum while no controller leads, log directories
 * on a disk that hangs. It is asked once and waited for over the rounds, since asking again would add to
 * what the broker has to do when it can.
 */

import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Result } from "../../../shared/result.ts";
import type { Asking, RenewableConnection } from "./connection.ts";

/** Then the connection itself may be what is broken. */
const HELD_MS_MAX = 30_000;

export type Asked<T> = {
  readonly answer: Promise<Result<T, KafkaError>>;
  /** Since it was asked. */
  readonly heldMs: () => number;
};

export function openSingleFlight<T>(deps: {
  readonly connection: RenewableConnection;
  readonly request: () => KafkaRequest<T>;
  readonly monotonicMs: () => number;
}): { readonly ask: () => Asked<T> } {
  const { connection, monotonicMs } = deps;
  let pending: (Asked<T> & Pick<Asking<T>, "drop">) | undefined;
  const begin = () => {
    const sinceMs = monotonicMs();
    const { answer, drop } = connection.begin(deps.request());
    const asked = { answer, drop, heldMs: () => monotonicMs() - sinceMs };
    void answer.then(() => {
      if (pending === asked) pending = undefined;
    });
    return asked;
  };
  return {
    ask: () => {
      if (pending !== undefined && pending.heldMs() > HELD_MS_MAX) {
        pending.drop(`no answer for ${HELD_MS_MAX / 1000} s`);
        pending = undefined;
      }
      pending ??= begin();
      return pending;
    },
  };
}
