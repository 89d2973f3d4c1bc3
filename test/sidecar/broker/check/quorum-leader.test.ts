import { checkQuorumLeader } from "../../../../sidecar/broker/check/quorum-leader.ts";
import { cluster, failed, quorum, readIn, replica } from "../snapshot-sample.ts";
import { tableOf, withoutQuorum } from "./rows.ts";

tableOf("checkQuorumLeader", checkQuorumLeader, [
  {
    when: "a leader passes",
    of: {},
    want: ["pass", "node 1 leads 3 voters (epoch 7, answered in 3ms)"],
  },
  {
    when: "no leader fails",
    of: { quorum: readIn(quorum([replica(0), replica(1)], { leaderId: -1 })) },
    want: ["fail", "none of 2 voters leads (epoch 7)"],
  },
  {
    when: "a leader that lost its majority fails, with the reason",
    of: { quorum: readIn({ ...quorum([replica(0)], { leaderId: -1 }), deposed: "it is alone" }) },
    want: ["fail", "it is alone (epoch 7)"],
  },
  {
    when: "unread is unknown",
    of: { quorum: failed("DescribeQuorum: no answer") },
    want: ["unknown", "DescribeQuorum: no answer"],
  },
  {
    when: "an old broker is asked for its controller",
    of: withoutQuorum,
    want: ["pass", "node 1 is the controller"],
  },
  {
    when: "an old broker without a controller fails",
    of: {
      ...withoutQuorum,
      metadata: readIn({ cluster: { ...cluster({}), controllerId: -1 }, from: "local" }),
    },
    want: ["fail", "the metadata names no controller"],
  },
  {
    when: "with neither quorum nor metadata it is unknown",
    of: { ...withoutQuorum, metadata: failed("no answer") },
    want: ["unknown", "no DescribeQuorum; no answer"],
  },
]);
