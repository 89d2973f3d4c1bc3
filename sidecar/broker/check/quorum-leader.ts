/** Does the quorum have a leader? Under KRaft the metadata's controller is a random live broker and says nothing. */

import type { BrokerSnapshot } from "../snapshot.ts";
import { ageText, counted } from "../text.ts";
import type { Check, Verdict } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

const CHECK = "quorum-leader";
const NONE = -1;
const say = verdictsOf(CHECK);

export const checkQuorumLeader: Check = (snapshot) => {
  if (snapshot.quorum.kind === "absent") return judgeController(snapshot);
  const read = readOr(CHECK, snapshot.quorum);
  if (!read.ok) return read.error;
  const { value, durationMs } = read.value;
  const voters = counted(value.voters.length, "voter");
  if (value.leaderId === NONE) {
    const none = value.deposed ?? `none of ${voters} leads`;
    return say("fail", `${none} (epoch ${value.leaderEpoch})`, durationMs);
  }
  const epoch = `epoch ${value.leaderEpoch}, answered in ${ageText(durationMs)}`;
  return say("pass", `node ${value.leaderId} leads ${voters} (${epoch})`, durationMs);
};

/** With ZooKeeper, and before DescribeQuorum (KIP-595), only the metadata's controller can be asked. */
function judgeController({ metadata, quorum }: BrokerSnapshot): Verdict {
  const read = readOr(CHECK, metadata);
  if (!read.ok) {
    const why = quorum.kind === "absent" ? `${quorum.reason}; ` : "";
    return say("unknown", `${why}${read.error.reason}`, 0);
  }
  const { value, durationMs } = read.value;
  const { controllerId } = value.cluster;
  return controllerId === NONE
    ? say("fail", "the metadata names no controller", durationMs)
    : say("pass", `node ${controllerId} is the controller`, durationMs);
}
