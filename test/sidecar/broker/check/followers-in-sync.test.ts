import { checkFollowersInSync } from "../../../../sidecar/broker/check/followers-in-sync.ts";
import { metadataOf, partition } from "../snapshot-sample.ts";
import { controller, tableOf, unread } from "./rows.ts";

tableOf("checkFollowersInSync", checkFollowersInSync, [
  controller("leads no partitions"),
  unread,
  { when: "all in sync pass", of: {}, want: ["pass", "leads 1 partition, all followers in sync"] },
  {
    when: "followers behind warn, by broker and partition",
    of: metadataOf({
      a: [partition(0, [0, 1, 2], [0]), partition(1, [0, 1, 2], [0, 1])],
      b: [partition(0, [1, 0, 2], [1, 0]), partition(1, [0, 1], [0, 1])],
    }),
    want: [
      "warn",
      "followers on broker 1, 2 are out of sync in 2 of 3 partitions led here: a-0, a-1",
    ],
  },
]);
