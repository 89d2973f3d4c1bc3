/**
 * ApiVersions (API 18, versions 0 to 2). It needs no permission and touches no data, so it is a sign of life, too.
 * From version 1 on it says for how long a quota mutes the connection.
 */

import { kafkaCode } from "../error-code.ts";
import type { ByteReader } from "./bytes.ts";
import type { KafkaRequest } from "./request.ts";

/** By API key. */
export type Versions = ReadonlyMap<number, { readonly min: number; readonly max: number }>;

export type ApiVersions = {
  /** 0, or 35 UNSUPPORTED_VERSION: then the answer is one of version 0 (KIP-511). */
  readonly errorCode: number;
  readonly versions: Versions;
};

export function apiVersionsRequest(): KafkaRequest<ApiVersions> {
  return {
    apiKey: 18,
    apiName: "ApiVersions",
    versions: { min: 0, max: 2 },
    throttle: { at: "end", from: 1 },
    encode: () => {},
    decode: decodeVersions,
  };
}

function decodeVersions(reader: ByteReader): ApiVersions {
  const errorCode = reader.int16();
  if (errorCode === kafkaCode("UNSUPPORTED_VERSION")) return { errorCode, versions: new Map() };
  const rows = reader.array((row) => ({ key: row.int16(), min: row.int16(), max: row.int16() }));
  return { errorCode, versions: new Map(rows.map(({ key, ...range }) => [key, range])) };
}
