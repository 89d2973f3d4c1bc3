/** The routes on a real socket: a drain outlives the server's own limits, and ends with its client or the sidecar. */

import { afterEach, describe, expect, test } from "bun:test";
import { BUILD } from "../../../shared/build-info.ts";
import { sleep, systemClock } from "../../../shared/clock.ts";
import { type HttpServer, serve } from "../../../shared/http.ts";
import { openLog } from "../../../shared/log.ts";
import { openMetrics } from "../../../shared/metrics.ts";
import type { EvaluatedRound } from "../../../sidecar/broker/check/evaluate.ts";
import { openBrokerMetrics } from "../../../sidecar/broker/metrics.ts";
import type { Readings } from "../../../sidecar/broker/probe/status.ts";
import { brokerRoutes } from "../../../sidecar/broker/routes.ts";
import { until } from "../../bed/condition.ts";
import { clockOf } from "../../clock.ts";
import { judged, metadataOf, partition } from "./snapshot-sample.ts";

const servers: HttpServer[] = [];
const REQUEST_MS = 100;

/** A drain that its rounds never let go, unless `safe` is set. */
function open() {
  const lines: string[] = [];
  const stop = new AbortController();
  const world = { safe: false, beganMs: 0 };
  const log = openLog({
    ...{
      level: "info",
      format: "json",
      write: (line) => lines.push(line),
      clock: clockOf({ nowMs: () => 0 }),
    },
  });
  const blocked = metadataOf({ a: [partition(0, [0, 1], [0])] });
  const round = (): EvaluatedRound => {
    world.beganMs = performance.now();
    return judged(world.safe ? {} : blocked, world.beganMs);
  };
  const readings: Readings = {
    ...{ brokerId: 0, latest: round, misconfigured: undefined, staleAfterMs: 6000 },
    gates: { liveness: "local", futureReplicas: "warn" },
    clock: systemClock,
  };
  const metrics = openMetrics();
  const { probed } = openBrokerMetrics(metrics, readings);
  const deps = { readings, metrics, probed, sleep, stopping: stop.signal, log };
  const limits = { requestMs: REQUEST_MS, idleMs: 1000 };
  const routes = brokerRoutes(deps);
  const server = serve({ port: 0, hostname: "127.0.0.1", routes, build: BUILD, log, limits });
  if (!server.ok) throw new Error(server.error.detail);
  servers.push(server.value);
  const began = () => lines.some((line) => line.includes("a drain began"));
  const wait = (what: string, check: () => boolean) =>
    until(`${what}; the log: ${lines.join(" ")}`, check, { deadlineMs: 5000, intervalMs: 10 });
  return { url: server.value.url, lines, stop, world, began, wait };
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close(0)));
});

describe("GET /drain on a socket", () => {
  test("is not cut by the server's limit on an answer, nor by its idle timeout", async () => {
    const { url, world, began, wait } = open();
    const startMs = performance.now();
    const asked = fetch(`${url}/drain?timeout=30s`);
    await wait("a drain", began);
    await wait("the idle timeout to pass", () => performance.now() - startMs > 2100);
    world.safe = true;
    const response = await asked;
    expect([response.status, await response.json()]).toMatchObject([200, { ending: "safe" }]);
  });
  test("ends when its client goes away", async () => {
    const { url, lines, began, wait } = open();
    const client = new AbortController();
    const asked = fetch(`${url}/drain?timeout=30s`, { signal: client.signal });
    const refused = asked.then(
      () => "answered",
      () => "cut",
    );
    await wait("a drain", began);
    client.abort();
    expect(await refused).toBe("cut");
    await wait("its end", () => lines.some((line) => line.includes('"ending":"client-gone"')));
  });
  test("ends when the sidecar stops, with an answer", async () => {
    const { url, stop, began, wait } = open();
    const asked = fetch(`${url}/drain?timeout=30s`);
    await wait("a drain", began);
    stop.abort();
    const response = await asked;
    const want = { safe: false, ending: "sidecar-stopping", blockingTotal: 1 };
    expect([response.status, await response.json()]).toMatchObject([503, want]);
  });
  test("does not hold up a probe", async () => {
    const { url, began, wait } = open();
    const asked = [1, 2, 3].map(() => fetch(`${url}/drain?timeout=1s`));
    await wait("a drain", began);
    const response = await fetch(`${url}/health/live`);
    expect(response.status).toBe(200);
    for (const drained of await Promise.all(asked)) expect(drained.status).toBe(503);
  });
});
