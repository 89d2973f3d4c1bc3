import { checkReplicasInSync } from "../../../../sidecar/broker/check/replicas-in-sync.ts";
import { metadataOf, partition } from "../snapshot-sample.ts";
import { controller, tableOf, unread } from "./rows.ts";

tableOf("checkReplicasInSync", checkReplicasInSync, [
  controller("holds no replicas"),
  unread,
  { when: "all in sync pass", of: {}, want: ["pass", "3 replicas, all in sync"] },
  {
    when: "none at all pass",
    of: metadataOf({ theirs: [partition(0, [1, 2], [1])] }),
    want: ["pass", "0 replicas, all in sync"],
  },
  {
    when: "one out of sync fails and is named, others' are not",
    of: metadataOf({
      a: [partition(0, [0, 1], [1], 1), partition(1, [0, 1], [0])],
      b: [partition(0, [1, 2], [1])],
    }),
    want: ["fail", "1 of 2 replicas out of sync: a-0"],
  },
  {
    when: "five out of sync are named three at most, leaderless ones too",
    of: metadataOf({ a: [0, 1, 2, 3, 4].map((n) => partition(n, [0, 1], [1], -1)) }),
    want: ["fail", "5 of 5 replicas out of sync: a-0, a-1, a-2 and 2 more"],
  },
]);
