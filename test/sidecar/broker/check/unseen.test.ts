/** What a check cannot see is unknown, and never well: topics hidden from us, directories that were not read. */
import { expect, test } from "bun:test";
import { checkFutureReplicas } from "../../../../sidecar/broker/check/future-replicas.ts";
import { checkReplicasInSync } from "../../../../sidecar/broker/check/replicas-in-sync.ts";
import {
  dir,
  metadataOf,
  partition,
  readIn,
  SETTINGS,
  said,
  snapshot,
} from "../snapshot-sample.ts";

const UNREAD = [dir("/data/0", { contents: "unread" }), dir("/data/1")];

test("checkReplicasInSync() is unknown while topics are hidden from us, and fails for those that are not", () => {
  const reason = "2 replicas here of topics that are not shown to us";
  const hidden = { replicas: 2, reason };
  const seen = snapshot({ hidden });
  expect(said(checkReplicasInSync(seen, SETTINGS))).toEqual(["unknown", reason]);
  const behind = snapshot({ hidden, ...metadataOf({ a: [partition(0, [0, 1], [1])] }) });
  expect(checkReplicasInSync(behind, SETTINGS).status).toBe("fail");
});

test("checkFutureReplicas() is unknown while an online directory was not read lately", () => {
  const unread = checkFutureReplicas(snapshot({ logDirs: readIn(UNREAD) }), SETTINGS);
  expect(said(unread)).toEqual(["unknown", "what lies in /data/0 could not be read lately"]);
  const offline = [dir("/data/0", { contents: "unread", errorCode: 56 }), dir("/data/1")];
  expect(checkFutureReplicas(snapshot({ logDirs: readIn(offline) }), SETTINGS).status).toBe("pass");
});
