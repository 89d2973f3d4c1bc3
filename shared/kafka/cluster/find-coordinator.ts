/** Which broker coordinates a group (FindCoordinator, API 10, version 1). The first group of a cluster makes Kafka create a topic: it is asked again. */

import { backoffMs } from "../../backoff.ts";
import { err, ok, type Result } from "../../result.ts";
import type { Call, KafkaRequest } from "../api/request.ts";
import { type Deadline, pause } from "../deadline.ts";
import { type KafkaError, protocolError } from "../error.ts";

const GROUP_KEY_TYPE = 0;
const BACKOFF = { baseMs: 50, maxMs: 1000, random: Math.random };

type Found = { readonly errorCode: number; readonly message: string | null; readonly node: number };

export async function findCoordinator(
  toAny: <T>(request: KafkaRequest<T>, call: Call) => Promise<Result<T, KafkaError>>,
  groupId: string,
  deadline: Deadline,
): Promise<Result<number, KafkaError>> {
  for (let attempt = 0; ; attempt += 1) {
    const answer = await toAny(request(groupId), deadline.call());
    if (!answer.ok) return answer;
    const { errorCode, message, node } = answer.value;
    if (errorCode === 0) return ok(node);
    const what = `find the coordinator of group ${groupId}`;
    const error = protocolError(errorCode, what, `DESCRIBE on group ${groupId}`, message);
    if (error.retry === "terminal") return err(error);
    await pause(backoffMs(attempt, BACKOFF), deadline.call());
    if (deadline.over()) return err(error);
  }
}

function request(groupId: string): KafkaRequest<Found> {
  return {
    apiKey: 10,
    apiName: "FindCoordinator",
    versions: { min: 1, max: 1 },
    throttle: { at: "start", from: 1 },
    encode: (writer) => writer.string(groupId).int8(GROUP_KEY_TYPE),
    decode: (reader) => {
      reader.int32();
      const errorCode = reader.int16();
      const message = reader.nullableString();
      return { errorCode, message, node: reader.int32() };
    },
  };
}
