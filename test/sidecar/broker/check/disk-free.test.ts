import { checkDiskFree } from "../../../../sidecar/broker/check/disk-free.ts";
import { dir, readIn } from "../snapshot-sample.ts";
import { noDisks, tableOf, unreadDirs } from "./rows.ts";

const free = (usableBytes: number, totalBytes = 1000) => ({
  logDirs: readIn([dir("/data/0"), dir("/data/1", { usableBytes, totalBytes })]),
});
tableOf("checkDiskFree", checkDiskFree, [
  noDisks,
  unreadDirs,
  {
    when: "10 % free passes, and the fullest is told",
    of: free(100),
    want: ["pass", "/data/1 has 10.0 % free (100 B of 1000 B), at least 10.0 % wanted"],
  },
  {
    when: "less than 10 % warns",
    of: free(99),
    want: [
      "warn",
      "little free space, at least 10.0 % wanted: /data/1 has 9.9 % free (99 B of 1000 B)",
    ],
  },
  {
    when: "a directory that tells nothing does not count",
    of: free(-1, -1),
    want: ["pass", "/data/0 has 50.0 % free (500 B of 1000 B), at least 10.0 % wanted"],
  },
  {
    when: "an old broker that tells nothing is skipped",
    of: { logDirs: readIn([dir("/d", { usableBytes: -1, totalBytes: -1 })]) },
    want: ["skipped", "the broker does not say (KIP-827: from Kafka 3.3)"],
  },
]);
