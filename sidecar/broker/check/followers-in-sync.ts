/**
 * Do all followers of the partitions that this broker leads keep up? If not, it is mostly the followers'
 * fault, so it is only a warning.
 */

import { counted, eachPartition, someOf } from "../text.ts";
import type { Check } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

const CHECK = "followers-in-sync";
const say = verdictsOf(CHECK);

export const checkFollowersInSync: Check = ({ role, brokerId, metadata }) => {
  if (role === "controller") return say("skipped", "a controller leads no partitions", 0);
  const read = readOr(CHECK, metadata);
  if (!read.ok) return read.error;
  const short: string[] = [];
  const absent = new Set<number>();
  let led = 0;
  eachPartition(read.value.value.cluster, ({ partition, leader, replicas, isr }, topic) => {
    if (leader !== brokerId) return;
    led += 1;
    const missing = replicas.filter((id) => !isr.includes(id));
    for (const id of missing) absent.add(id);
    if (missing.length > 0) short.push(`${topic}-${partition}`);
  });
  const { durationMs } = read.value;
  const all = counted(led, "partition");
  if (short.length === 0) return say("pass", `leads ${all}, all followers in sync`, durationMs);
  const who = someOf([...absent].sort((a, b) => a - b).map(String));
  const where = `${short.length} of ${all} led here: ${someOf(short)}`;
  return say("warn", `followers on broker ${who} are out of sync in ${where}`, durationMs);
};
