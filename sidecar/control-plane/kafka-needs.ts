/** What the control plane and its workers need of Kafka, for `check kafka` (docs/operating.md, "What Kafka must allow"). */

import type { Operation } from "../../shared/kafka/api/authorized-operations.ts";
import type { Needs } from "../../shared/kafka/check/permissions.ts";
import {
  AUDIT,
  CLUSTER_INFO,
  CONTROL,
  HEARTBEAT,
  QUARANTINE,
  REGISTRY,
  STATUS,
} from "../../shared/protocol/topic.ts";
import { electionGroup, type FleetIdentity, formerGroups } from "./leader/identity.ts";

const WORKER_GROUPS = "kg-builder-";
/** A worker group that does not exist: what is allowed for it is allowed for all worker groups. */
const SOME_GROUP = `${WORKER_GROUPS}outrider-check`;

/** What READ on the workers' groups and topics is for. */
const NOT_PUT_BACK =
  "the offsets of a cluster that was dead for longer than offsets.retention.minutes are lost";

const made = (topic: string, operations: readonly Operation[]) => ({
  topic,
  operations,
  madeBy: "us" as const,
});

export const controlPlaneNeeds = (clusterId: string, identity: FleetIdentity): Needs => ({
  topics: [
    made(REGISTRY, ["READ"]),
    made(HEARTBEAT, ["READ", "WRITE"]),
    made(STATUS, ["READ", "WRITE"]),
    made(CONTROL, ["READ", "WRITE"]),
    made(AUDIT, ["WRITE"]),
    made(QUARANTINE, ["WRITE"]),
    {
      ...made(CLUSTER_INFO, ["READ"]),
      without: `the workers' lag is not shown, or ${NOT_PUT_BACK}`,
    },
  ],
  groups: [
    { group: electionGroup(clusterId), operations: ["READ"] },
    ...formerGroups(identity, clusterId).map((group) => ({
      ...{ group, operations: ["DESCRIBE"] as const },
    })),
    { group: SOME_GROUP, prefix: WORKER_GROUPS, operations: ["DELETE", "DESCRIBE"] },
    {
      ...{ group: SOME_GROUP, prefix: WORKER_GROUPS, operations: ["READ"] as const },
      without: NOT_PUT_BACK,
    },
  ],
  cluster: [],
});

/** The needs of any cluster's worker. */
export const WORKER_NEEDS: Needs = {
  topics: [{ topic: CLUSTER_INFO, operations: ["READ"], madeBy: "the control plane" }],
  groups: [{ group: SOME_GROUP, prefix: WORKER_GROUPS, operations: ["READ"] }],
  cluster: [],
};
