/** The probes' bodies, byte for byte in the original's keys, and the routes that serve them. */

import { describe, expect, test } from "bun:test";
import { BUILD } from "../../../../shared/build-info.ts";
import { openApp } from "../../../../shared/http.ts";
import { openLog } from "../../../../shared/log.ts";
import { openMetrics } from "../../../../shared/metrics.ts";
import type { EvaluatedRound } from "../../../../sidecar/broker/check/evaluate.ts";
import { openBrokerMetrics } from "../../../../sidecar/broker/metrics.ts";
import type { Readings } from "../../../../sidecar/broker/probe/status.ts";
import { brokerRoutes, PROBE_PATHS } from "../../../../sidecar/broker/routes.ts";
import { clockOf } from "../../../clock.ts";
import {
  dir,
  failed,
  judged,
  metadataOf,
  partition,
  readIn,
  SETTINGS,
} from "../snapshot-sample.ts";

const log = openLog({
  level: "error",
  format: "json",
  write: () => undefined,
  clock: clockOf({ nowMs: () => 0 }),
});

type World = {
  readonly round?: EvaluatedRound;
  readonly nowMs?: number;
  readonly wrong?: string;
  readonly futureReplicas?: "warn" | "fail";
};

function open({ round, nowMs = 5, wrong, futureReplicas = "warn" }: World) {
  const readings: Readings = {
    brokerId: 0,
    latest: () => round,
    misconfigured: wrong,
    staleAfterMs: 6000,
    gates: { liveness: "local", futureReplicas },
    clock: clockOf({ monotonicMs: () => nowMs }),
  };
  const metrics = openMetrics();
  const { probed } = openBrokerMetrics(metrics, readings);
  const stopping = new AbortController().signal;
  const deps = { readings, metrics, probed, stopping, log, sleep: () => Promise.resolve() };
  return openApp({ routes: brokerRoutes(deps), build: BUILD, log });
}

async function ask(path: string, world: World, init?: RequestInit) {
  const response = await open(world).request(path, init);
  return { status: response.status, text: await response.text() };
}

/** What stands before our own keys. */
const seedPart = (text: string): string => `${text.split(',"checks":')[0]}}`;

const LIVE = '{"status":"healthy","brokerId":0,"brokerFound":true}';
const READY =
  '{"status":"healthy","brokerId":0,"brokerRegistered":true,"controllerElected":true,"underReplicatedPartitions":0,"logDirsHealthy":true}';
const silent = {
  answer: {
    kind: "silent",
    connected: true,
    detail: "no answer within 2000 ms",
    durationMs: 2000,
  } as const,
  ...{ metadata: failed("no answer"), quorum: failed("no answer"), logDirs: failed("no answer") },
};
const SILENT =
  "failed to fetch metadata: the listener accepts connections and is silent: no answer within 2000 ms";
const under = metadataOf({ a: [partition(0, [0, 1], [1], 1), partition(1, [0, 1], [1], 1)] });
const offline = { logDirs: readIn([dir("/data/0", { errorCode: 56 })]) };
const unregistered = metadataOf({}, [1]);
const WRONG = "failed to configure SASL: unsupported SASL mechanism: X (supported: PLAIN)";

const unready = (rest: string, error: string) =>
  `{"status":"unhealthy","brokerId":0,${rest},"error":${JSON.stringify(error)}}`;
const NOTHING =
  '"brokerRegistered":false,"controllerElected":false,"underReplicatedPartitions":0,"logDirsHealthy":false';

describe("GET /health/live", () => {
  test.each([
    { when: "healthy", world: { round: judged() }, status: 200, want: LIVE },
    {
      when: "before the first round",
      world: {},
      status: 200,
      want: '{"status":"healthy","brokerId":0,"brokerFound":false}',
    },
    {
      when: "wrongly configured",
      world: { wrong: WRONG },
      status: 200,
      want: '{"status":"healthy","brokerId":0,"brokerFound":false}',
    },
    {
      when: "hung",
      world: { round: judged(silent) },
      status: 503,
      want: unready('"brokerFound":false', SILENT),
    },
    {
      when: "hung, with a round that is too old to go by",
      world: { round: judged(silent), nowMs: 6001 },
      status: 200,
      want: '{"status":"healthy","brokerId":0,"brokerFound":false}',
    },
  ])("$when", async ({ world, status, want }) => {
    const answer = await ask("/health/live", world);
    expect([answer.status, seedPart(answer.text)]).toEqual([status, want]);
  });
});

describe("GET /health/ready", () => {
  test.each([
    { when: "healthy", world: { round: judged() }, status: 200, want: READY },
    {
      when: "as old as may be",
      world: { round: judged(), nowMs: 6000 },
      status: 200,
      want: READY,
    },
    {
      when: "older",
      world: { round: judged(), nowMs: 6001 },
      status: 503,
      want: unready(NOTHING, "failed to fetch metadata: the last round is 6s old, at most 6s"),
    },
    {
      when: "before the first round",
      world: {},
      status: 503,
      want: unready(NOTHING, "failed to fetch metadata: no round has finished yet"),
    },
    {
      when: "wrongly configured",
      world: { wrong: WRONG },
      status: 503,
      want: unready(NOTHING, WRONG),
    },
    {
      when: "hung",
      world: { round: judged(silent) },
      status: 503,
      want: unready(NOTHING, SILENT),
    },
    {
      when: "not registered",
      world: { round: judged(unregistered) },
      status: 503,
      want: unready(
        '"brokerRegistered":false,"controllerElected":true,"underReplicatedPartitions":0,"logDirsHealthy":true',
        "broker not registered in cluster metadata",
      ),
    },
    {
      when: "under-replicated",
      world: { round: judged(under) },
      status: 503,
      want: unready(
        '"brokerRegistered":true,"controllerElected":true,"underReplicatedPartitions":2,"logDirsHealthy":true',
        "broker has under-replicated partitions",
      ),
    },
    {
      when: "with a directory offline",
      world: { round: judged(offline) },
      status: 503,
      want: unready(
        '"brokerRegistered":true,"controllerElected":true,"underReplicatedPartitions":0,"logDirsHealthy":false',
        "log directories unhealthy (offline: /data/0)",
      ),
    },
  ])("$when", async ({ world, status, want }) => {
    const answer = await ask("/health/ready", world);
    expect([answer.status, seedPart(answer.text)]).toEqual([status, want]);
  });

  test("calls log directories unhealthy while a replica moves, with FUTURE_REPLICAS=fail", async () => {
    const future = [{ topic: "a", partition: 0, sizeBytes: 1, offsetLag: 1 }];
    const moving = { logDirs: readIn([dir("/data/0", { contents: { future } })]) };
    const healthy = await ask("/health/ready", { round: judged(moving) });
    expect([healthy.status, seedPart(healthy.text)]).toEqual([200, READY]);
    const round = judged(moving, 0, { ...SETTINGS, futureReplicas: "fail" });
    const seed = await ask("/health/ready", { round, futureReplicas: "fail" });
    expect([seed.status, seedPart(seed.text)]).toEqual([
      503,
      unready(
        '"brokerRegistered":true,"controllerElected":true,"underReplicatedPartitions":0,"logDirsHealthy":false',
        "log directories unhealthy (future partitions detected)",
      ),
    ]);
  });

  test("adds each check with its age and duration, and its own age last", async () => {
    const { text } = await ask("/health/ready", { round: judged({}, 100), nowMs: 1330.4 });
    expect(text).toContain(
      '"checks":[{"check":"broker-answers","status":"pass","reason":"answered in 1ms","ageMs":1230,"durationMs":1.3},',
    );
    expect(text.endsWith('}],"ageMs":1230}')).toBe(true);
  });
});

describe("GET /health/startup", () => {
  test("tells what is waited for while Kafka starts, and what is left to catch up after", async () => {
    const closed = { kind: "closed", detail: "ECONNREFUSED", durationMs: 1 } as const;
    const kafka = { kind: "running", pid: 4, ageMs: 9000, hasAnswered: false, ioBytes: 1 } as const;
    const starting = judged({
      ...{ ...silent, answer: closed, process: kafka, hasStarted: false },
    });
    const progress =
      "starting for 9s, no answer yet; what it reads and writes cannot be seen: ECONNREFUSED";
    const first = await ask("/health/startup", { round: starting });
    expect([first.status, seedPart(first.text)]).toEqual([
      503,
      unready(`"progress":"${progress}"`, `failed to fetch metadata: ${progress}`),
    ]);
    const answer = { kind: "refused-us", detail: "wrong password", durationMs: 1 } as const;
    const refused = await ask("/health/startup", { round: judged({ ...silent, answer }) });
    expect(refused.text).toContain('"progress":"alive, but it refuses us: wrong password"');
    const after = await ask("/health/startup", { round: judged(under) });
    expect([after.status, seedPart(after.text)]).toEqual([
      200,
      '{"status":"healthy","brokerId":0,"progress":"2 of 2 replicas out of sync: a-0, a-1"}',
    ]);
  });
});

describe("GET /health/restart-safe", () => {
  test("names the partitions and whom they wait for", async () => {
    const topics = metadataOf({
      a: [partition(7, [0, 1, 2], [0, 1])],
      b: [partition(0, [0], [0])],
    });
    const minInsyncReplicas = readIn(new Map([["a", 2]]));
    const answer = await ask("/health/restart-safe", {
      round: judged({ ...topics, minInsyncReplicas }),
    });
    expect(answer.status).toBe(503);
    expect(JSON.parse(seedPart(answer.text))).toEqual({
      ...{ status: "unhealthy", brokerId: 0, safe: false },
      blocking: [{ topic: "a", partition: 7, isr: [0, 1], minInsyncReplicas: 2, waitingFor: [2] }],
      blockingTotal: 1,
      neverSafe: [{ topic: "b", partition: 0, replicas: [0], minInsyncReplicas: null }],
      neverSafeTotal: 1,
      error:
        "not safe to stop: 1 partition would be under min.insync.replicas: a-7; waiting for broker 2",
    });
  });
  test("is 200 when nothing is against it", async () => {
    const answer = await ask("/health/restart-safe", { round: judged() });
    expect([answer.status, JSON.parse(answer.text).safe]).toEqual([200, true]);
  });
  test("is not safe before the first round", async () => {
    const answer = await ask("/health/restart-safe", {});
    expect([answer.status, JSON.parse(answer.text).safe]).toEqual([503, false]);
  });
});

describe("brokerRoutes()", () => {
  test.each([...PROBE_PATHS])("answers HEAD as GET, without a body: %s", async (path) => {
    const get = await ask(path, { round: judged(silent) });
    const head = await ask(path, { round: judged(silent) }, { method: "HEAD" });
    expect([head.status, head.text]).toEqual([get.status, ""]);
  });
  test.each([...PROBE_PATHS, "/metrics", "/about", "/drain"])("refuses POST: %s", async (path) => {
    expect((await ask(path, {}, { method: "POST" })).status).toBe(405);
  });
  test("knows no other path", async () => {
    expect((await ask("/health", {})).status).toBe(404);
    expect((await ask("/health/alive", {})).status).toBe(404);
  });
  test("counts each probe", async () => {
    const app = open({ round: judged() });
    await app.request("/health/ready");
    const text = await (await app.request("/metrics")).text();
    expect(text).toContain('outrider_broker_probe_seconds_count{path="/health/ready"} 1');
    expect(text).toContain('outrider_broker_probe_seconds_count{path="/health/live"} 0');
  });
});
