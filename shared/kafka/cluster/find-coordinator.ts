/**
 * Which broker coordinates a group (FindCoordinator, API 10, version 1). The first group of a cluster makes
 * Kafka create a topic, so the request is repeated until that is there.
 */

import { systemClock } from "../../clock.ts";
import type { Call, Deadline } from "../../deadline.ts";
import { err, flatten, ok, type Result } from "../../result.ts";
import { isTransient, retry } from "../../retry.ts";
import type { KafkaRequest } from "../api/request.ts";
import { type KafkaError, protocolError } from "../error.ts";

const GROUP_KEY_TYPE = 0;
const BACKOFF = { baseMs: 50, maxMs: 1000, clock: systemClock, again: isTransient };

type Found = { readonly errorCode: number; readonly message: string | null; readonly node: number };

export async function findCoordinator(
  toAny: <T>(request: KafkaRequest<T>, call: Call) => Promise<Result<T, KafkaError>>,
  groupId: string,
  deadline: Deadline,
): Promise<Result<number, KafkaError>> {
  const once = async (): Promise<Result<Result<number, KafkaError>, KafkaError>> => {
    const answer = await toAny(request(groupId), deadline.call());
    if (!answer.ok) return ok(answer);
    const { errorCode, message, node } = answer.value;
    if (errorCode === 0) return ok(ok(node));
    const what = `find the coordinator of group ${groupId}`;
    return err(protocolError(errorCode, what, `DESCRIBE on group ${groupId}`, message));
  };
  return flatten(await retry(once, { ...BACKOFF, deadline }));
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
