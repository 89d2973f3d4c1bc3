/** How the topic of collected records is created: the same for every program that may be the first to need it. */
import { CLUSTER_INFO_PARTITIONS } from "../protocol/topic.ts";
import { integer } from "./schema.ts";
import { withDefault } from "./table.ts";

const PARTITIONS_MAX = 1000;

export const TOPIC_PARTITIONS = withDefault({
  name: "KAFKA_TOPIC_PARTITIONS",
  schema: integer({ min: 1, max: PARTITIONS_MAX }),
  default: String(CLUSTER_INFO_PARTITIONS),
  describe:
    "With how many partitions KAFKA_TOPIC is made where it is missing; one that is there stays as it is",
});
