/** Each check: what it says of which snapshot, at its bound and one past it. */
import { describe, expect, test } from "bun:test";
import { checkBrokerRegistered } from "../../../../sidecar/broker/check/broker-registered.ts";
import type { Check, CheckSettings, CheckStatus } from "../../../../sidecar/broker/check/check.ts";
import { checkDiskFree } from "../../../../sidecar/broker/check/disk-free.ts";
import { checkFollowersInSync } from "../../../../sidecar/broker/check/followers-in-sync.ts";
import { checkFutureReplicas } from "../../../../sidecar/broker/check/future-replicas.ts";
import { checkLogDirectories } from "../../../../sidecar/broker/check/log-directories.ts";
import { checkMetadataCaughtUp } from "../../../../sidecar/broker/check/metadata-caught-up.ts";
import { checkQuorumLeader } from "../../../../sidecar/broker/check/quorum-leader.ts";
import { checkReplicasInSync } from "../../../../sidecar/broker/check/replicas-in-sync.ts";
import type { BrokerSnapshot } from "../../../../sidecar/broker/snapshot.ts";
import {
  absent,
  cluster,
  dir,
  failed,
  metadataOf,
  partition,
  quorum,
  readIn,
  replica,
  SETTINGS,
  said,
  snapshot,
} from "../snapshot-sample.ts";

type Row = {
  readonly when: string;
  readonly of: Partial<BrokerSnapshot>;
  readonly settings?: CheckSettings;
  readonly before?: Partial<BrokerSnapshot>;
  readonly want: readonly [CheckStatus, string];
};

const table = (name: string, check: Check, rows: readonly Row[]) =>
  describe(`${name}()`, () => {
    test.each([...rows])("$when", ({ of, settings = SETTINGS, before, want }) => {
      const was = before === undefined ? undefined : snapshot(before);
      expect(said(check(snapshot(of), settings, was))).toEqual([...want]);
    });
  });

const controller = (what: string): Row => ({
  ...{ when: "a controller-only node is skipped", of: { role: "controller" } },
  want: ["skipped", `a controller ${what}`],
});
const TIMED_OUT = "Metadata to 127.0.0.1:9092: no answer within 2000 ms";
const unread: Row = {
  ...{ when: "unread metadata is unknown", of: { metadata: failed(TIMED_OUT) } },
  want: ["unknown", TIMED_OUT],
};
const unreadDirs: Row = {
  ...{ when: "unread directories are unknown", of: { logDirs: failed("no answer") } },
  want: ["unknown", "no answer"],
};
const noDisks = controller("has no partitions on disk");

table("checkBrokerRegistered", checkBrokerRegistered, [
  controller("registers as no broker"),
  unread,
  { when: "one of them passes", of: {}, want: ["pass", "one of 3 brokers"] },
  {
    when: "says so when another broker had to be asked",
    of: { metadata: readIn({ cluster: cluster({}, [0]), from: "cluster" }) },
    want: ["pass", "one of 1 broker, as another broker says"],
  },
  {
    when: "fails when it is not there, and names a few that are",
    of: metadataOf({}, [9, 1, 2, 3, 4]),
    want: ["fail", "broker 0 is none of the brokers (1, 2, 3 and 2 more)"],
  },
  {
    when: "fails when nobody is there",
    of: metadataOf({}, []),
    want: ["fail", "broker 0 is none of the brokers (none)"],
  },
]);

const withoutQuorum = { quorum: absent("no DescribeQuorum") };
table("checkQuorumLeader", checkQuorumLeader, [
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

const own = (lagMs: number | null, records: number) => ({
  quorum: readIn(quorum([replica(0, lagMs, records), replica(1), replica(2)])),
});
const untimed = (records: number) => ({
  quorum: readIn(quorum([replica(0, null, records), replica(1, null)])),
});
table("checkMetadataCaughtUp", checkMetadataCaughtUp, [
  {
    when: "2 s behind by the leader's clock passes",
    of: own(2000, 4),
    want: ["pass", "voter, 4 records behind, had all of them 2s ago (at most 2s)"],
  },
  {
    when: "2.1 s behind warns",
    of: own(2100, 1),
    want: ["warn", "voter, 1 record behind, had all of them 2.1s ago (at most 2s)"],
  },
  {
    when: "a voter that never had everything warns",
    of: own(null, 4000),
    want: ["warn", "voter, 4000 records behind, never caught up yet"],
  },
  {
    when: "the leader itself passes",
    of: { quorum: readIn(quorum([replica(0), replica(1, 99_000)], { leaderId: 0 })) },
    want: ["pass", "voter, 0 records behind, had all of them 0s ago (at most 2s)"],
  },
  {
    when: "an observer passes as well",
    of: { quorum: readIn(quorum([replica(1)], { observers: [replica(0, 500, 1)] })) },
    want: ["pass", "observer, 1 record behind, had all of them 500ms ago (at most 2s)"],
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

table("checkReplicasInSync", checkReplicasInSync, [
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

table("checkFollowersInSync", checkFollowersInSync, [
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

table("checkLogDirectories", checkLogDirectories, [
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

const moving = (sizeBytes: number, offsetLag: number, topic = "a") => ({
  ...{ topic, partition: 0, sizeBytes, offsetLag },
});
const movingDirs = (...future: ReturnType<typeof moving>[]) => ({
  logDirs: readIn([
    dir("/data/0", { contents: { future: [] } }),
    dir("/data/1", { contents: { future } }),
  ]),
});
table("checkFutureReplicas", checkFutureReplicas, [
  noDisks,
  unreadDirs,
  { when: "none passes", of: {}, want: ["pass", "none on its way"] },
  {
    when: "a move warns and shows how far it is",
    of: movingDirs(moving(2048, 40)),
    want: ["warn", "1 replica moving to another directory (2.0 KiB there, 40 records to go): a-0"],
  },
  {
    when: "a move shows what it did since the round before, without what has arrived meanwhile",
    of: movingDirs(moving(2048, 40)),
    before: movingDirs(moving(1536, 70), moving(9999, 1, "b")),
    want: [
      "warn",
      "1 replica moving to another directory (2.0 KiB there, 512 B more than before, 40 records to go): a-0",
    ],
  },
  {
    when: "FUTURE_REPLICAS=fail restores the original",
    of: movingDirs(moving(0, 1)),
    settings: { ...SETTINGS, futureReplicas: "fail" },
    want: ["fail", "1 replica moving to another directory (0 B there, 1 record to go): a-0"],
  },
]);

const free = (usableBytes: number, totalBytes = 1000) => ({
  logDirs: readIn([dir("/data/0"), dir("/data/1", { usableBytes, totalBytes })]),
});
table("checkDiskFree", checkDiskFree, [
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
    want: ["warn", "little room, at least 10.0 % wanted: /data/1 has 9.9 % free (99 B of 1000 B)"],
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
