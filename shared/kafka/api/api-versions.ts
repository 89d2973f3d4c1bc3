/** ApiVersions (API 18, version 0) as a sign of life: the one request that needs no permission and touches no data. */

import type { KafkaRequest } from "./request.ts";

export function aliveRequest(): KafkaRequest<null> {
  return {
    apiKey: 18,
    apiName: "ApiVersions",
    versions: { min: 0, max: 0 },
    encode: () => {},
    decode: () => null,
  };
}
