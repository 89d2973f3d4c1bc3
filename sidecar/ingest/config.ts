/** The variables of `sidecar ingest` (docs/operating.md is made from them). */
import type { Host } from "../../shared/config/host.ts";
import { CONNECTION_CHECKS, KAFKA_TABLE } from "../../shared/config/kafka.ts";
import { NEO4J_TABLE } from "../../shared/config/neo4j.ts";
import { text } from "../../shared/config/schema.ts";
import {
  type Config,
  type Environment,
  type Problem,
  parseEnvironment,
  required,
  withDefault,
} from "../../shared/config/table.ts";
import { ClientId, groupOf, isClientId } from "../../shared/protocol/client-id.ts";
import type { Result } from "../../shared/result.ts";

const NAME_CHARS_MAX = 253;

/** What a worker is given: seed names, as the original gave them to its own. */
export const INGEST_TABLE = {
  clientId: required({
    name: "CLIENT_ID",
    schema: ClientId,
    describe: "The cluster that this worker works for",
    seed: true,
  }),
  kafkaGroup: withDefault({
    name: "KAFKA_GROUP",
    schema: text(NAME_CHARS_MAX, "a group's name"),
    default: {
      shown: "kg-builder-<client id>",
      from: ({ text: get }) => {
        const clientId = get("CLIENT_ID");
        return clientId !== undefined && isClientId(clientId) ? groupOf(clientId) : "kg-builder";
      },
    },
    describe: "The worker's consumer group",
    seed: true,
  }),
  ...KAFKA_TABLE,
  ...NEO4J_TABLE,
} as const;
export type IngestConfig = Config<typeof INGEST_TABLE>;

export const readIngestConfig = (
  environment: Environment,
  host: Host,
): Result<IngestConfig, readonly Problem[]> =>
  parseEnvironment(INGEST_TABLE, CONNECTION_CHECKS, environment, host);
