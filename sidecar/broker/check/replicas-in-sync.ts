/**
 * Are all the replicas that this broker holds in the ISR? The original's readiness: Kafka's own
 * `UnderReplicatedPartitions` counts the same gap on the leader's side.
 */

import { counted, eachPartition, partitionName, someOf } from "../text.ts";
import type { Check } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

const CHECK = "replicas-in-sync";
const say = verdictsOf(CHECK);

export const checkReplicasInSync: Check = ({ role, brokerId, metadata, hidden, adding }) => {
  if (role === "controller") return say("skipped", "a controller holds no replicas", 0);
  const read = readOr(CHECK, metadata);
  if (!read.ok) return read.error;
  const behind: string[] = [];
  const added: string[] = [];
  let held = 0;
  eachPartition(read.value.value.cluster, ({ partition, replicas, isr }, topic) => {
    if (!replicas.includes(brokerId)) return;
    held += 1;
    if (isr.includes(brokerId)) return;
    const name = partitionName({ topic, partition });
    (adding.has(name) ? added : behind).push(name);
  });
  const { durationMs } = read.value;
  const all = counted(held, "replica");
  if (behind.length > 0) {
    return say("fail", `${behind.length} of ${all} out of sync: ${someOf(behind)}`, durationMs);
  }
  if (hidden !== undefined) return say("unknown", hidden.reason, durationMs);
  if (added.length > 0) {
    const which = `${added.length} of ${all} being added by a reassignment: ${someOf(added)}`;
    return say("warn", `${which}; all others in sync`, durationMs);
  }
  return say("pass", `${all}, all in sync`, durationMs);
};
