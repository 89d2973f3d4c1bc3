/** A control plane under test: the compiled binary, with short times, on a test Kafka. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { binaries } from "./binaries.ts";
import { until } from "./condition.ts";
import { freePort } from "./port.ts";
import { type BedProcess, startProcess } from "./process.ts";
import { guardWorkers, killWorkers, type LiveWorker, liveWorkers } from "./workers.ts";

/** Short, but in the proportions of the defaults. */
const SHORT = {
  HEARTBEAT_TIMEOUT: "3s",
  CLEANUP_TIMEOUT: "8s",
  SESSION_TIMEOUT: "6s",
  ACT_WINDOW: "1s",
  RECONCILE_INTERVAL: "2s",
  WORKER_MIN_READY: "1s",
} as const;

/** A worker that does nothing, and ends on SIGTERM. */
const IDLE_WORKER = "/bin/sleep 1000000";

const READY_MS = 40_000;
const STOP_MS = 5_000;
const OUTPUT_LINES = 60;

/** The API's view of a cluster, as far as tests look at it. */
const ClusterSeen = v.object({
  client_id: v.string(),
  cluster_name: v.string(),
  state: v.string(),
  reason: v.string(),
  withdrawal: v.nullable(v.string()),
  held: v.nullable(v.string()),
  age_seconds: v.nullable(v.number()),
  conflict: v.nullable(v.object({ instances: v.array(v.string()), since: v.string() })),
  error: v.nullable(v.string()),
  worker: v.nullable(v.object({ state: v.string(), instance: v.string(), restarts: v.number() })),
  last_heartbeat: v.nullable(
    v.object({ skew_seconds: v.nullable(v.number()), status: v.nullable(v.string()) }),
  ),
  registry: v.object({ partition: v.number(), offset: v.number() }),
  /** Only if one cluster is asked for. */
  lag: v.optional(v.object({ records: v.nullable(v.number()), detail: v.string() })),
  actions: v.optional(v.array(v.object({ action: v.string(), phase: v.string() }))),
});
export type ClusterSeen = v.InferOutput<typeof ClusterSeen>;

const HealthSeen = v.object({
  status: v.string(),
  role: v.string(),
  detail: v.string(),
  epoch: v.nullable(v.number()),
});
export type HealthSeen = v.InferOutput<typeof HealthSeen>;

export type FleetBed = {
  readonly fleet: string;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Real processes with this fleet's label. */
  readonly workers: () => readonly LiveWorker[];
  /** Starts a control plane of this fleet; several may be started one after the other, or at once. */
  readonly start: (
    env?: Readonly<Record<string, string>>,
    flags?: readonly string[],
  ) => Promise<ControlPlane>;
  /** Runs a command of the sidecar to its end. */
  readonly run: (
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => Promise<{ readonly code: number | null; readonly output: string }>;
  /** The end of each process's output, for a failed test. */
  readonly outputs: (lines?: number) => string;
  readonly close: () => Promise<void>;
};

export type ControlPlane = {
  readonly process: BedProcess;
  readonly url: string;
  /** Waits until it leads. */
  readonly leads: (deadlineMs?: number) => Promise<void>;
  readonly health: () => Promise<HealthSeen>;
  readonly clusters: () => Promise<readonly ClusterSeen[]>;
  readonly cluster: (clientId: string) => Promise<ClusterSeen | undefined>;
  /** One sample, by its name and labels as in the text; 0 if absent. */
  readonly metric: (sample: string) => Promise<number>;
};

/** One fleet on one Kafka: its state directory, its label, and a function that ends everything that was started. */
export async function openFleet(
  bootstrap: string,
  extra: Readonly<Record<string, string>> = {},
): Promise<FleetBed> {
  const { sidecar } = await binaries();
  const stateDir = await mkdtemp(join(tmpdir(), "outrider-fleet-"));
  const fleet = `test-${Math.random().toString(36).slice(2, 10)}`;
  const endGuard = guardWorkers(fleet);
  const started: BedProcess[] = [];
  const env = {
    KAFKA_BROKERS: bootstrap,
    FLEET: fleet,
    RUNTIME: "process",
    STATE_DIR: stateDir,
    WORKER_COMMAND: IDLE_WORKER,
    LOG_FORMAT: "text",
    LOG_LEVEL: "debug",
    PATH: "/usr/bin:/bin",
    HOME: stateDir,
    ...SHORT,
    ...extra,
  };
  return {
    fleet,
    stateDir,
    env,
    workers: () => liveWorkers(fleet),
    start: async (more = {}, flags = []) => {
      const port = await freePort();
      const process = startProcess({
        name: "control-plane",
        command: [sidecar, "control-plane", ...flags],
        env: { ...env, METRICS_PORT: String(port), ...more },
      });
      started.push(process);
      return controlPlaneAt(`http://127.0.0.1:${port}`, process);
    },
    run: async (args, more = {}) => {
      const process = startProcess({
        name: "sidecar",
        command: [sidecar, ...args],
        env: { ...env, ...more },
      });
      started.push(process);
      const { code } = await process.exited;
      return { code: typeof code === "number" ? code : null, output: process.output() };
    },
    outputs: (lines = OUTPUT_LINES) =>
      started
        .map((each) => {
          const told = each.output().split("\n");
          const tail = told.filter((line) => !line.includes(" DEBUG ")).slice(-lines);
          return `--- ${each.name} ${each.pid}\n${tail.join("\n")}`;
        })
        .join("\n"),
    close: async () => {
      // Gracefully: one that is killed stays in the group for a session, and keeps the next test from leading.
      await Promise.all(started.map((each) => each.stop(STOP_MS)));
      killWorkers(fleet);
      await endGuard();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

function controlPlaneAt(url: string, process: BedProcess): ControlPlane {
  const get = async (path: string) =>
    fetch(`${url}${path}`, { signal: AbortSignal.timeout(5_000) });
  const health = async () => v.parse(HealthSeen, await (await get("/health/ready")).json());
  return {
    process,
    url,
    health,
    leads: async (deadlineMs = READY_MS) => {
      await until(
        "the control plane to lead",
        async () => {
          if (!process.running()) throw new Error(`it has ended:\n${process.output()}`);
          const { role, detail } = await health();
          if (role !== "leader") throw new Error(`${role}: ${detail}`);
          return true;
        },
        { deadlineMs },
      );
    },
    clusters: async () => {
      const body = await (await get("/api/v1/clusters?limit=10000")).json();
      return v.parse(v.object({ clusters: v.array(ClusterSeen) }), body).clusters;
    },
    cluster: async (clientId) => {
      const answer = await get(`/api/v1/clusters/${clientId}`);
      return answer.ok ? v.parse(ClusterSeen, await answer.json()) : undefined;
    },
    metric: async (sample) => {
      const text = await (await get("/metrics")).text();
      const line = text.split("\n").find((each) => each.startsWith(`${sample} `));
      return line === undefined ? 0 : Number(line.slice(sample.length + 1));
    },
  };
}
