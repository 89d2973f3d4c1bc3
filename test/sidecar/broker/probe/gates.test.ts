/** The gates: liveness asks of the listener alone, readiness means that every gate passed, errors are the original's. */
import { describe, expect, test } from "bun:test";
import { evaluate } from "../../../../sidecar/broker/check/evaluate.ts";
import {
  GATES,
  type GateName,
  type GateSettings,
  passGate,
} from "../../../../sidecar/broker/probe/gates.ts";
import type { BrokerSnapshot } from "../../../../sidecar/broker/snapshot.ts";
import {
  absent,
  dir,
  failed,
  metadataOf,
  partition,
  quorum,
  readIn,
  replica,
  running,
  SETTINGS,
  snapshot,
} from "../snapshot-sample.ts";

const LOCAL: GateSettings = { liveness: "local", futureReplicas: "warn" };
const CLUSTER: GateSettings = { ...LOCAL, liveness: "cluster" };

const pass = (gate: GateName, changed: Partial<BrokerSnapshot>, settings = LOCAL) =>
  passGate(gate, evaluate(snapshot(changed), { ...SETTINGS, ...settings }).verdicts, settings);

const silent: Partial<BrokerSnapshot> = {
  answer: { kind: "silent", connected: true, detail: "no answer within 2000 ms", durationMs: 2000 },
  ...{ metadata: failed("no answer"), quorum: failed("no answer"), logDirs: failed("no answer") },
};
const starting: Partial<BrokerSnapshot> = {
  ...silent,
  answer: { kind: "closed", detail: "ECONNREFUSED", durationMs: 1 },
  process: running({ hasAnswered: false, ioBytes: 129 * 1024, ageMs: 20_000 }),
  hasStarted: false,
};
const refused: Partial<BrokerSnapshot> = {
  ...silent,
  answer: { kind: "refused-us", detail: "wrong password", durationMs: 4 },
  metadata: failed("Metadata to b: SASL Authentication failed", "authentication"),
};
const notAsked = { kind: "not-asked", detail: "no such name", durationMs: 0 } as const;
const OTHER =
  "another node than configured: node 2 answers, not node 0 (by its own settings): compare BROKER_ID, or else the number at the end of HOSTNAME, with Kafka's node.id, and LOCAL_BROKER with its listener";
const throttled = { kind: "throttled", detail: "quota", durationMs: 2000 } as const;
const cut = { kind: "cut", detail: "ECONNRESET", durationMs: 1 } as const;
const idle = { hasAnswered: false, ageMs: 18_000 } as const;
const stuck = running({ ...idle, ageMs: 20_000, ioBytes: 1024 });
const slow = running({ ...idle, ageMs: 20_000, ioBytes: 129 * 1024 - 1 });
const heldBack = {
  kind: "failed",
  error: { code: "timeout", retry: "transient", detail: "quota", isThrottled: true },
  durationMs: 2000,
} as const;
const unregistered = metadataOf({}, [1, 2]);
const noLeader = { quorum: readIn(quorum([replica(0)], { leaderId: -1 })) };
const offline = { logDirs: readIn([dir("/data/0"), dir("/data/1", { errorCode: 56 })]) };
const behind = metadataOf({ a: [partition(0, [0, 1], [1], 1)] });
const SILENT =
  "failed to fetch metadata: the listener accepts connections and is silent: no answer within 2000 ms";
const STARTING =
  "failed to fetch metadata: starting for 20s, no answer yet; what it reads and writes cannot be seen: ECONNREFUSED";
const REFUSED = "failed to fetch metadata: wrong password";

type Errors = Readonly<Record<GateName, string | undefined>>;
type Row = { readonly when: string; readonly of: Partial<BrokerSnapshot>; readonly want: Errors };
const everywhere = (error: string): Errors => ({
  ...{ live: error, ready: error, startup: error, "restart-safe": error },
});
const only = (errors: Partial<Errors>): Errors => ({
  ...{ live: undefined, ready: undefined, startup: undefined, "restart-safe": undefined },
  ...errors,
});

const rows: readonly Row[] = [
  { when: "all is well", of: {}, want: only({}) },
  {
    when: "the broker hangs, and had started",
    of: silent,
    want: { ...everywhere(SILENT), startup: undefined },
  },
  {
    when: "the broker hangs, and never answered",
    of: { ...silent, hasStarted: false },
    want: everywhere(SILENT),
  },
  {
    when: "we could not ask, and it never answered",
    of: { ...silent, answer: notAsked, hasStarted: false },
    want: only({
      ready: "failed to fetch metadata: we could not ask: no such name",
      "restart-safe": "failed to fetch metadata: we could not ask: no such name",
    }),
  },
  { when: "it starts", of: starting, want: { ...everywhere(STARTING), live: undefined } },
  {
    when: "it refuses us",
    of: refused,
    want: only({
      ready: REFUSED,
      "restart-safe": REFUSED,
    }),
  },
  {
    when: "another node answers",
    of: { identity: { kind: "other", nodeId: 2, how: "by its own settings" } },
    want: only({ ready: OTHER, "restart-safe": OTHER }),
  },
  {
    when: "who answers cannot be checked",
    of: { identity: { kind: "unproven", isFinal: true, detail: "no permission" } },
    want: only({}),
  },
  {
    when: "who answers is not certain yet",
    of: { identity: { kind: "unproven", isFinal: false, detail: "no answer yet" } },
    want: only({
      "restart-safe": "not safe to stop: which node answers is not certain yet: no answer yet",
    }),
  },
  {
    when: "it is not registered",
    of: unregistered,
    want: only({
      ready: "broker not registered in cluster metadata",
    }),
  },
  {
    when: "the quorum has no leader",
    of: noLeader,
    want: only({ ready: "no controller elected", "restart-safe": "no controller elected" }),
  },
  {
    when: "the quorum does not answer",
    of: { quorum: failed("DescribeQuorum: no answer") },
    want: only({
      ready: "failed to describe the quorum: DescribeQuorum: no answer",
      "restart-safe": "failed to describe the quorum: DescribeQuorum: no answer",
    }),
  },
  {
    when: "this node lags behind the metadata log",
    of: { quorum: readIn(quorum([replica(0, 9000, 70), replica(1), replica(2)])) },
    want: only({
      "restart-safe":
        "metadata log not caught up: voter, 70 records behind, was caught up 9s ago (at most 2s)",
    }),
  },
  {
    when: "a replica is out of sync",
    of: { ...behind, minInsyncReplicas: readIn(new Map([["a", 1]])) },
    want: only({ ready: "broker has under-replicated partitions" }),
  },
  {
    when: "a log directory is offline",
    of: offline,
    want: only({
      ready: "log directories unhealthy (offline: /data/1)",
    }),
  },
  {
    when: "replicas are out of sync because their directory is offline, that is named",
    of: { ...behind, ...offline, minInsyncReplicas: readIn(new Map([["a", 1]])) },
    want: only({
      ready: "log directories unhealthy (offline: /data/1)",
    }),
  },
  {
    when: "log directories are not told",
    of: { logDirs: failed("DescribeLogDirs: no answer") },
    want: only({
      ready: "failed to describe log dirs: DescribeLogDirs: no answer",
      "restart-safe":
        "not safe to stop: could not ask whether there are replicas of topics that are hidden from us: DescribeLogDirs: no answer",
    }),
  },
  {
    when: "a follower is needed",
    of: metadataOf({ a: [partition(0, [0, 1], [0])] }),
    want: only({
      "restart-safe":
        "not safe to stop: 1 partition would be under min.insync.replicas: a-0; waiting for broker 1",
    }),
  },
  {
    when: "several gates fail, the first is named",
    of: { ...unregistered, ...noLeader, ...offline },
    want: only({
      ready: "broker not registered in cluster metadata",
      "restart-safe": "no controller elected",
    }),
  },
];

describe("passGate()", () => {
  describe.each([...rows])("when $when", ({ of, want }) => {
    test.each([...GATES])("%s", (gate) => {
      const { healthy, error } = pass(gate, of);
      expect(error).toBe(want[gate]);
      expect(healthy).toBe(want[gate] === undefined);
    });
  });

  test("LIVENESS=cluster is the original's: not in the metadata, not alive", () => {
    expect(pass("live", unregistered).healthy).toBe(true);
    expect(pass("live", unregistered, CLUSTER).error).toBe("broker not found in cluster metadata");
    expect(pass("live", {}, CLUSTER).healthy).toBe(true);
  });

  const closed: Partial<BrokerSnapshot> = { ...starting, hasStarted: true };
  const hidden = { kind: "hidden", reason: "not shared" } as const;
  const late = failed("no answer");
  const old = failed("needs Kafka 2.8 or newer", "unsupported");
  const unanswered: readonly (readonly [string, Partial<BrokerSnapshot>, boolean])[] = [
    ["the metadata did not come", { metadata: late }, false],
    ["a wrong password", refused, false],
    ["a dead broker whose process is hidden", { ...closed, process: hidden }, false],
    ["a name without an address", { ...silent, answer: notAsked }, false],
    ["connections that are ended at once", { ...silent, answer: cut }, false],
    ["a start that cannot be seen to make progress", { ...starting, process: stuck }, false],
    ["a recovery that makes progress", starting, true],
    ["a start that reads less than a recovery does", { ...starting, process: slow }, false],
    ["too little CPU of our own", { metadata: late, lagMs: 600 }, true],
    ["a quota on the sign of life", { ...silent, answer: throttled }, true],
    ["a quota on the metadata", { metadata: heldBack }, true],
    ["a Kafka too old to be asked, that answers", { metadata: old }, true],
    ["a Kafka too old to be asked, that is silent", { ...silent, metadata: old }, false],
    ["a refusal to name the brokers to us", { metadata: failed("refused", "authorization") }, true],
    ["a controller", { role: "controller", metadata: absent("none") }, true],
  ];
  test.each([...unanswered])("LIVENESS=cluster, and %s", (_when, changed, healthy) => {
    const settings = { ...SETTINGS, ...CLUSTER };
    const before = snapshot({ ...changed, process: running({ ...idle, ioBytes: 1024 }) });
    const { verdicts } = evaluate(snapshot(changed), settings, before);
    const outcome = passGate("live", verdicts, CLUSTER);
    expect(outcome.healthy).toBe(healthy);
    expect(outcome.error ?? "failed to fetch metadata: ").toStartWith("failed to fetch metadata: ");
  });

  test("FUTURE_REPLICAS=fail is the original's: unready while a replica moves", () => {
    const future = [{ topic: "a", partition: 0, sizeBytes: 1, offsetLag: 1 }];
    const move = { logDirs: readIn([dir("/d", { contents: { future } })]) };
    expect(pass("ready", move).healthy).toBe(true);
    expect(pass("ready", move, { ...LOCAL, futureReplicas: "fail" }).error).toBe(
      "log directories unhealthy (future partitions detected)",
    );
  });
});
