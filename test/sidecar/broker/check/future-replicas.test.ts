import { checkFutureReplicas } from "../../../../sidecar/broker/check/future-replicas.ts";
import { dir, readIn, SETTINGS } from "../snapshot-sample.ts";
import { noDisks, tableOf, unreadDirs } from "./rows.ts";

const moving = (sizeBytes: number, offsetLag: number, topic = "a") => ({
  ...{ topic, partition: 0, sizeBytes, offsetLag },
});
const movingDirs = (...future: ReturnType<typeof moving>[]) => ({
  logDirs: readIn([
    dir("/data/0", { contents: { future: [] } }),
    dir("/data/1", { contents: { future } }),
  ]),
});
tableOf("checkFutureReplicas", checkFutureReplicas, [
  noDisks,
  unreadDirs,
  { when: "none passes", of: {}, want: ["pass", "no replica is being moved"] },
  {
    when: "a move warns and shows how far it is",
    of: movingDirs(moving(2048, 40)),
    want: ["warn", "1 replica moving to another directory (2.0 KiB copied, 40 records to go): a-0"],
  },
  {
    when: "a move shows what it did since the round before, without what has arrived meanwhile",
    of: movingDirs(moving(2048, 40)),
    before: movingDirs(moving(1536, 70), moving(9999, 1, "b")),
    want: [
      "warn",
      "1 replica moving to another directory (2.0 KiB copied, 512 B more than before, 40 records to go): a-0",
    ],
  },
  {
    when: "FUTURE_REPLICAS=fail restores the original",
    of: movingDirs(moving(0, 1)),
    settings: { ...SETTINGS, futureReplicas: "fail" },
    want: ["fail", "1 replica moving to another directory (0 B copied, 1 record to go): a-0"],
  },
]);
