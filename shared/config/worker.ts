/** The variables that the control plane gives to a worker, and that `sidecar ingest` reads. */
import { ClientId, groupOf, isClientId } from "../protocol/client-id.ts";
import { KAFKA_TABLE } from "./kafka.ts";
import { NEO4J_TABLE } from "./neo4j.ts";
import { text } from "./schema.ts";
import { type Config, required, withDefault } from "./table.ts";

const NAME_CHARS_MAX = 253;

/** What a worker is given, under the names that the original gave to its own workers. */
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
