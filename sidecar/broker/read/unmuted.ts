/**
 * For questions whose answers do not report a quota, such as DescribeQuorum. ApiVersions is sent first,
 * because its answer does: the question follows when the broker reads the connection again, so any further
 * delay is the broker's own.
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
