/** What a broker sidecar answers, typed: each probe's body with its checks, and a drain's outcome. Pure. */
import * as v from "valibot";

const CheckSeen = v.object({
  check: v.string(),
  status: v.picklist(["fail", "unknown", "warn", "pass", "skipped"]),
  reason: v.string(),
  ageMs: v.nullable(v.number()),
  durationMs: v.number(),
});
export type CheckSeen = v.InferOutput<typeof CheckSeen>;

const Blocking = v.object({
  topic: v.string(),
  partition: v.number(),
  isr: v.array(v.number()),
  minInsyncReplicas: v.nullable(v.number()),
  waitingFor: v.array(v.number()),
});

const NeverSafe = v.object({
  topic: v.string(),
  partition: v.number(),
  replicas: v.array(v.number()),
  minInsyncReplicas: v.nullable(v.number()),
});

/** The keys of all four probes; the contract tests check which of them a probe has. */
const ProbeBody = v.object({
  status: v.picklist(["healthy", "unhealthy"]),
  brokerId: v.number(),
  brokerFound: v.optional(v.boolean()),
  brokerRegistered: v.optional(v.boolean()),
  controllerElected: v.optional(v.boolean()),
  underReplicatedPartitions: v.optional(v.number()),
  logDirsHealthy: v.optional(v.boolean()),
  progress: v.optional(v.string()),
  safe: v.optional(v.boolean()),
  blocking: v.optional(v.array(Blocking)),
  blockingTotal: v.optional(v.number()),
  neverSafe: v.optional(v.array(NeverSafe)),
  error: v.optional(v.string()),
  checks: v.array(CheckSeen),
  ageMs: v.nullable(v.number()),
});
type ProbeBody = v.InferOutput<typeof ProbeBody>;

const DrainBody = v.object({
  safe: v.boolean(),
  ending: v.string(),
  waitedMs: v.number(),
  timeoutMs: v.number(),
  error: v.optional(v.string()),
  waitedFor: v.array(v.string()),
  blocking: v.array(Blocking),
});
export type Drained = v.InferOutput<typeof DrainBody> & { readonly code: number };

export type Probed = {
  /** HTTP's. */
  readonly code: number;
  readonly body: ProbeBody;
  /** From the request to the whole answer. */
  readonly tookMs: number;
  /** When the request was sent, by `performance.now()`. */
  readonly atMs: number;
  /** When its round began, by the same clock, or later; undefined before the first round. */
  readonly roundMs: number | undefined;
};

export function parseProbe(code: number, json: unknown, atMs: number, tookMs: number): Probed {
  const body = v.parse(ProbeBody, json);
  const roundMs = body.ageMs === null ? undefined : atMs + tookMs - body.ageMs;
  return { code, body, tookMs, atMs, roundMs };
}

export const parseDrain = (code: number, json: unknown): Drained => ({
  ...v.parse(DrainBody, json),
  code,
});

/** @throws Error if the probe does not show the check. */
export function checkIn({ body }: Probed, name: string): CheckSeen {
  const found = body.checks.find(({ check }) => check === name);
  if (found === undefined) {
    throw new Error(`no check ${name} among ${body.checks.map(({ check }) => check).join(", ")}`);
  }
  return found;
}

/** For a message: the code, the error, and each check that has not passed. */
export function probeText({ code, body }: Probed): string {
  const odd = body.checks
    .filter(({ status }) => !["pass", "skipped"].includes(status))
    .map(({ check, status, reason }) => `${check} ${status}: ${reason}`);
  const error = body.error === undefined ? [] : [body.error];
  return [`${code}, ${body.ageMs} ms old`, ...error, ...odd].join(" | ");
}

/** One sample, by its name and labels as written in `/metrics`; undefined if absent. */
export function sampleIn(text: string, sample: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}
