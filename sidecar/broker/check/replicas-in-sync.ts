/**
 * Are all the replicas that this broker holds in the ISR? The original's readiness: Kafka's own
 * `UnderReplicatedPartitions` counts the same gap on the leader's side.
 */

import { hiddenText } from "../read/hidden-topics.ts";
import type { Check } from "./check.ts";
import { counted, eachPartition, readOr, someOf, verdictsOf } from "./text.ts";

const CHECK = "replicas-in-sync";
const say = verdictsOf(CHECK);

export const checkReplicasInSync: Check = ({ role, brokerId, metadata, hiddenReplicas }) => {
  if (role === "controller") return say("skipped", "a controller holds no replicas", 0);
  const read = readOr(CHECK, metadata);
  if (!read.ok) return read.error;
  const behind: string[] = [];
  let held = 0;
  eachPartition(read.value.value.cluster, ({ partition, replicas, isr }, topic) => {
    if (!replicas.includes(brokerId)) return;
    held += 1;
    if (!isr.includes(brokerId)) behind.push(`${topic}-${partition}`);
  });
  const { durationMs } = read.value;
  const all = counted(held, "replica");
  if (behind.length > 0) {
    return say("fail", `${behind.length} of ${all} out of sync: ${someOf(behind)}`, durationMs);
  }
  return hiddenReplicas > 0
    ? say("unknown", hiddenText(hiddenReplicas), durationMs)
    : say("pass", `${all}, all in sync`, durationMs);
};
