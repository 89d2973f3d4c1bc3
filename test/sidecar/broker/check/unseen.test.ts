/** What a check cannot see is unknown, and never well: topics hidden from us, directories that were not read. */
import { expect, test } from "bun:test";
import { checkFutureReplicas } from "../../../../sidecar/broker/check/future-replicas.ts";
import { checkReplicasInSync } from "../../../../sidecar/broker/check/replicas-in-sync.ts";
import { checkRestartSafe, restartRisk } from "../../../../sidecar/broker/check/restart-safe.ts";
import type { BrokerSnapshot } from "../../../../sidecar/broker/snapshot.ts";
import {
  absent,
  dir,
  failed,
  metadataOf,
  partition,
  readIn,
  SETTINGS,
  said,
  snapshot,
} from "../snapshot-sample.ts";

const OFFLINE = [dir("/data/0", { contents: "unread", errorCode: 56 }), dir("/data/1")];
const UNREAD = [dir("/data/0", { contents: "unread" }), dir("/data/1")];

test("checkReplicasInSync() is unknown while topics are hidden from us, and fails for those that are not", () => {
  const reason = "2 replicas here of topics that are hidden from us";
  const hidden = { replicas: 2, reason };
  const seen = snapshot({ hidden });
  expect(said(checkReplicasInSync(seen, SETTINGS))).toEqual(["unknown", reason]);
  const behind = snapshot({ hidden, ...metadataOf({ a: [partition(0, [0, 1], [1])] }) });
  expect(checkReplicasInSync(behind, SETTINGS).status).toBe("fail");
});

test("checkFutureReplicas() is unknown while an online directory was not read lately", () => {
  const unread = checkFutureReplicas(snapshot({ logDirs: readIn(UNREAD) }), SETTINGS);
  expect(said(unread)).toEqual(["unknown", "the contents of /data/0 could not be read lately"]);
  expect(checkFutureReplicas(snapshot({ logDirs: readIn(OFFLINE) }), SETTINGS).status).toBe("pass");
});

/** To a user that may not see topics a full broker looks empty: only its directories tell. */
const restartOf = (
  logDirs: BrokerSnapshot["logDirs"],
  topics: Parameters<typeof metadataOf>[0],
) => {
  const seen = snapshot({ ...metadataOf(topics), quorum: absent("ZooKeeper"), logDirs });
  return said(checkRestartSafe(seen, restartRisk(seen)));
};
const NOBODY_LOOKED = "could not ask whether there are replicas of topics that are hidden from us";

test.each([
  ["could not be read", failed("no answer in 2 s"), "no answer in 2 s"],
  ["are not named", readIn([]), "no directory named (missing permission: DESCRIBE on cluster?)"],
  [
    "have contents that were not read",
    readIn(UNREAD),
    "the contents of /data/0 have not been read",
  ],
] as const)("checkRestartSafe() is unknown while directories %s", (_what, logDirs, why) => {
  expect(restartOf(logDirs, {})).toEqual(["unknown", `${NOBODY_LOOKED}: ${why}`]);
  const needed = { a: [partition(0, [0, 1], [0])] };
  expect(restartOf(logDirs, needed)[0]).toBe("fail");
});

test.each([
  ["are read", readIn([dir("/data/0")])],
  ["are read but for one that is offline", readIn(OFFLINE)],
  ["are nothing that this Kafka knows", absent("no such request")],
] as const)(
  "checkRestartSafe() passes for an empty broker whose directories %s",
  (_what, logDirs) => {
    expect(restartOf(logDirs, {})[0]).toBe("pass");
  },
);
