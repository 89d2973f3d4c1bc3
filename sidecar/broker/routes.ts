/**
 * The broker sidecar over HTTP. Routes render what the last round found and never wait for a broker, so
 * that a slow one cannot make the kubelet's probe time out; only `/drain` waits, for rounds.
 */
import { parseDuration } from "../../shared/duration.ts";
import type { App } from "../../shared/http.ts";
import type { Metrics } from "../../shared/metrics.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  DRAIN_MS_DEFAULT,
  DRAIN_MS_MAX,
  DRAIN_MS_MIN,
  DRAINS_MAX,
  type DrainDeps,
  drain,
} from "./drain.ts";
import {
  liveProbe,
  type Probe,
  readyProbe,
  restartSafeProbe,
  startupProbe,
} from "./probe/response.ts";
import type { Readings } from "./probe/status.ts";

const PROBES = {
  "/health/live": liveProbe,
  "/health/ready": readyProbe,
  "/health/startup": startupProbe,
  "/health/restart-safe": restartSafeProbe,
} as const satisfies Readonly<Record<string, (readings: Readings) => Probe>>;

export const PROBE_PATHS = [
  "/health/live",
  "/health/ready",
  "/health/startup",
  "/health/restart-safe",
] as const satisfies readonly (keyof typeof PROBES)[];
export type ProbePath = (typeof PROBE_PATHS)[number];

/** How long after the drain's timeout the server's own limit on an answer comes. */
const DRAIN_ANSWER_MS = 5000;

export type RouteDeps = DrainDeps & {
  readonly metrics: Metrics;
  readonly probed: (path: ProbePath, tookMs: number) => void;
};

export const brokerRoutes = (deps: RouteDeps) => (app: App) => {
  const { readings, metrics } = deps;
  for (const path of PROBE_PATHS) {
    app.get(path, (c) => {
      const beganMs = readings.clock.monotonicMs();
      const { healthy, body } = PROBES[path](readings);
      const answer = c.json(body, healthy ? 200 : 503);
      deps.probed(path, readings.clock.monotonicMs() - beganMs);
      return answer;
    });
  }
  app.get("/metrics", async (c) => {
    const text = await metrics.text();
    return c.body(text, 200, { "content-type": metrics.contentType });
  });
  drainRoute(app, deps);
};

/** 200 when stopping is safe, 503 at the timeout or when that can no longer be known. */
function drainRoute(app: App, deps: RouteDeps): void {
  let running = 0;
  app.get("/drain", async (c) => {
    const timeout = drainTimeout(c.req.query("timeout"));
    if (!timeout.ok) return c.json({ error: timeout.error }, 400);
    if (running >= DRAINS_MAX) {
      return c.json({ error: `${running} drains are under way, at most ${DRAINS_MAX}` }, 429);
    }
    c.env.idle(0);
    c.env.within(timeout.value + DRAIN_ANSWER_MS);
    running += 1;
    try {
      const drained = await drain(timeout.value, c.req.raw.signal, deps);
      return c.json(drained, drained.safe ? 200 : 503);
    } finally {
      running -= 1;
    }
  });
}

/** `?timeout=120s`, in Go's forms, to ms. */
function drainTimeout(text: string | undefined): Result<number, string> {
  if (text === undefined) return ok(DRAIN_MS_DEFAULT);
  const read = parseDuration(text);
  if (!read.ok) return err(`timeout=${text}: ${read.error}`);
  return read.value < DRAIN_MS_MIN || read.value > DRAIN_MS_MAX
    ? err(`timeout=${text}: from ${DRAIN_MS_MIN / 1000}s to ${DRAIN_MS_MAX / 3_600_000}h`)
    : read;
}
