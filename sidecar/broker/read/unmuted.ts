/**
 * Questions whose answers do not say when a quota mutes the connection after them, as DescribeQuorum's do
 * not. ApiVersions goes first, which does say it: what follows goes out when the broker listens again, and
 * what is then held is held by the broker.
 */

import { apiVersionsRequest } from "../../../shared/kafka/api/api-versions.ts";
import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import type { Asking, RenewableConnection } from "./connection.ts";

export function unmuted(connection: RenewableConnection): Pick<RenewableConnection, "begin"> {
  return {
    begin: <T>(request: KafkaRequest<T>): Asking<T> => {
      const first = connection.begin(apiVersionsRequest());
      let second: Asking<T> | undefined;
      const answer = first.answer.then((listens) => {
        if (!listens.ok) return listens;
        second = connection.begin(request);
        return second.answer;
      });
      return {
        answer,
        sentMs: () => second?.sentMs(),
        throttledForMs: () => (second ?? first).throttledForMs(),
        reached: () => (second ?? first).reached(),
        drop: (reason) => (second ?? first).drop(reason),
      };
    },
  };
}
