/** The variables that the control plane gives to a worker, and that `sidecar ingest` reads. */
import * as v from "valibot";
import { ClientId, groupOf, isClientId } from "../protocol/client-id.ts";
import { CLUSTER_INFO } from "../protocol/topic.ts";
import { KAFKA_TABLE } from "./kafka.ts";
import { NEO4J_TABLE } from "./neo4j.ts";
import { text } from "./schema.ts";
import { optional, withDefault } from "./table.ts";

const NAME_CHARS_MAX = 253;
/** The one group that stores. */
const STORING_GROUP = "cluster-info-consumer";

/** What a worker is given, under the names that the original gave to its own workers. */
export const WORKER_TABLE = {
  clientId: optional({
    name: "CLIENT_ID",
    schema: ClientId,
    describe: "The cluster that this worker works for: it counts and checks, and stores nothing",
    without: "stores the records of all clusters in PostgreSQL",
    seed: true,
  }),
  kafkaGroup: withDefault({
    name: "KAFKA_GROUP",
    schema: text(NAME_CHARS_MAX, "a group's name"),
    default: {
      shown: `kg-builder-<client id>; ${STORING_GROUP} without CLIENT_ID`,
      from: ({ text: get }) => {
        const clientId = get("CLIENT_ID");
        if (clientId === undefined) return STORING_GROUP;
        return isClientId(clientId) ? groupOf(clientId) : "kg-builder";
      },
    },
    describe: "The consumer group",
    seed: true,
  }),
  kafkaTopic: withDefault({
    name: "KAFKA_TOPIC",
    schema: v.pipe(
      v.string(),
      v.description("a topic's name"),
      v.regex(/^[A-Za-z0-9._-]{1,249}$/u, "is no name of a topic"),
    ),
    default: CLUSTER_INFO,
    describe: "The topic that agents collect into",
    seed: true,
  }),
  ...KAFKA_TABLE,
  ...NEO4J_TABLE,
} as const;
