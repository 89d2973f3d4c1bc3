/** What the agent needs of Kafka, for `agent check kafka` (docs/operating.md, "What Kafka must allow"). */
import type { Needs } from "../shared/kafka/check/permissions.ts";
import { HEARTBEAT, QUARANTINE, REGISTRY, STATUS } from "../shared/protocol/topic.ts";

const CONTROL_PLANE = "the control plane";

export const AGENT_NEEDS: Needs = {
  topics: [
    { topic: REGISTRY, operations: ["WRITE"], madeBy: "us" },
    { topic: HEARTBEAT, operations: ["WRITE"], madeBy: "us" },
    {
      topic: STATUS,
      operations: ["READ"],
      without:
        "`--wait` gets no answer, and the agent does not learn whether its cluster is accepted",
      madeBy: CONTROL_PLANE,
    },
    {
      topic: QUARANTINE,
      operations: ["READ"],
      without: "neither `--wait` nor `agent run` can say why a record was refused",
      madeBy: CONTROL_PLANE,
    },
  ],
  groups: [],
  cluster: [],
};
