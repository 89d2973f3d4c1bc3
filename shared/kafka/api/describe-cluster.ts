/**
 * DescribeCluster (API 60, versions 1 and 2: KIP-919), for a controller's own listener, which has no
 * Metadata: who the controllers are, and which of them leads.
 */

import type { ByteReader } from "./bytes.ts";
import type { BrokerNode } from "./metadata.ts";
import type { KafkaRequest } from "./request.ts";

export type Controllers = {
  /** 0, or such as 114 MISMATCHED_ENDPOINT_TYPE of a broker's listener. */
  readonly errorCode: number;
  readonly message: string | null;
  readonly clusterId: string;
  /** -1: none. */
  readonly leaderId: number;
  readonly controllers: readonly BrokerNode[];
};

const CONTROLLERS = 2;
const FENCED_FROM = 2;

export function controllersRequest(): KafkaRequest<Controllers> {
  return {
    apiKey: 60,
    apiName: "DescribeCluster",
    versions: { min: 1, max: 2 },
    flexibleFrom: 0,
    throttle: { at: "start", from: 0 },
    encode: (writer, version) => {
      writer.boolean(false).int8(CONTROLLERS);
      if (version >= FENCED_FROM) writer.boolean(false);
      writer.noTags();
    },
    decode: decodeControllers,
  };
}

function decodeControllers(reader: ByteReader, version: number): Controllers {
  reader.int32();
  const errorCode = reader.int16();
  const message = reader.compactNullableString();
  reader.int8();
  const clusterId = reader.compactString();
  const leaderId = reader.int32();
  const controllers = reader.compactArray((row) => {
    const id = row.int32();
    const host = row.compactString();
    const port = row.int32();
    const rack = row.compactNullableString();
    if (version >= FENCED_FROM) row.boolean();
    row.tags();
    return { id, host, port, rack };
  });
  return { errorCode, message, clusterId, leaderId, controllers };
}
