import { checkLogDirectories } from "../../../../sidecar/broker/check/log-directories.ts";
import { dir, readIn } from "../snapshot-sample.ts";
import { noDisks, tableOf, unreadDirs } from "./rows.ts";

tableOf("checkLogDirectories", checkLogDirectories, [
  noDisks,
  unreadDirs,
  { when: "all online pass", of: {}, want: ["pass", "2 directories online"] },
  {
    when: "one online passes",
    of: { logDirs: readIn([dir("/d")]) },
    want: ["pass", "1 directory online"],
  },
  {
    when: "an offline one fails and is named",
    of: { logDirs: readIn([dir("/data/0"), dir("/data/1", { errorCode: 56 })]) },
    want: ["fail", "offline: /data/1"],
  },
  {
    when: "none at all is unknown: a missing permission looks like it",
    of: { logDirs: readIn([]) },
    want: ["unknown", "no directory named (missing permission: DESCRIBE on cluster?)"],
  },
]);
