import { checkMetadataCaughtUp } from "../../../../sidecar/broker/check/metadata-caught-up.ts";
import { quorum, readIn, replica } from "../snapshot-sample.ts";
import { tableOf, withoutQuorum } from "./rows.ts";

const own = (lagMs: number | null, records: number) => ({
  quorum: readIn(quorum([replica(0, lagMs, records), replica(1), replica(2)])),
});
const untimed = (records: number) => ({
  quorum: readIn(quorum([replica(0, null, records), replica(1, null)])),
});
tableOf("checkMetadataCaughtUp", checkMetadataCaughtUp, [
  {
    when: "2 s behind by the leader's clock passes",
    of: own(2000, 4),
    want: ["pass", "voter, 4 records behind, was caught up 2s ago (at most 2s)"],
  },
  {
    when: "2.1 s behind warns",
    of: own(2100, 1),
    want: ["warn", "voter, 1 record behind, was caught up 2.1s ago (at most 2s)"],
  },
  {
    when: "a voter that never had everything warns",
    of: own(null, 4000),
    want: ["warn", "voter, 4000 records behind, never caught up yet"],
  },
  {
    when: "the leader itself passes",
    of: { quorum: readIn(quorum([replica(0), replica(1, 99_000)], { leaderId: 0 })) },
    want: ["pass", "voter, 0 records behind, was caught up 0s ago (at most 2s)"],
  },
  {
    when: "an observer passes as well",
    of: { quorum: readIn(quorum([replica(1)], { observers: [replica(0, 500, 1)] })) },
    want: ["pass", "observer, 1 record behind, was caught up 500ms ago (at most 2s)"],
  },
  {
    when: "without times 100 records pass",
    of: untimed(100),
    want: ["pass", "voter, 100 records behind, at most 100"],
  },
  {
    when: "without times 101 records warn",
    of: untimed(101),
    want: ["warn", "voter, 101 records behind, at most 100"],
  },
  {
    when: "a node outside the quorum warns",
    of: { quorum: readIn(quorum([replica(1), replica(2)])) },
    want: ["warn", "node 0 is neither voter nor observer of the quorum"],
  },
  {
    when: "without a leader it is unknown",
    of: { quorum: readIn(quorum([replica(0)], { leaderId: -1 })) },
    want: ["unknown", "no leader says how far the metadata log reaches"],
  },
  {
    when: "without a quorum it is skipped",
    of: withoutQuorum,
    want: ["skipped", "no DescribeQuorum"],
  },
]);
