/** One broker sidecar under test: the compiled binary and what it answers. */
import { until } from "../condition.ts";
import type { BedProcess } from "../process.ts";
import {
  type Drained,
  type Probed,
  parseDrain,
  parseProbe,
  probeText,
  sampleIn,
} from "./answer.ts";

/** Much longer than an answer may take: a test asserts its own limit. */
const ANSWER_MS = 5000;
const DRAIN_MS = 5000;
const POLL_MS = 20;

export type ProbeName = "live" | "ready" | "startup" | "restart-safe";
const PROBES = ["live", "ready", "startup", "restart-safe"] as const;

type About = { readonly code: number; readonly text: string };

export type Sidecar = {
  readonly id: number;
  readonly url: string;
  readonly intervalMs: number;
  readonly process: BedProcess;
  /** The environment with which it was started. */
  readonly env: Readonly<Record<string, string>>;
  readonly probe: (name: ProbeName) => Promise<Probed>;
  readonly live: () => Promise<Probed>;
  readonly ready: () => Promise<Probed>;
  readonly startup: () => Promise<Probed>;
  readonly restartSafe: () => Promise<Probed>;
  readonly about: () => Promise<About>;
  /** One sample, by its name and labels as in the text; undefined if absent. */
  readonly metric: (sample: string) => Promise<number | undefined>;
  readonly metrics: () => Promise<string>;
  /** `timeout` in whole seconds. */
  readonly drain: (timeoutSeconds: number) => Promise<Drained>;
  /** An answer whose round began after `sinceMs` (by default now). */
  readonly fresh: (name: ProbeName, sinceMs?: number) => Promise<Probed>;
  /**
   * Asks until an answer is as wanted. @returns the answer, and the time from `sinceMs` until it came.
   */
  readonly seenAfter: (
    sinceMs: number,
    name: ProbeName,
    wanted: (probed: Probed) => boolean,
    deadlineMs?: number,
  ) => Promise<{ readonly probed: Probed; readonly afterMs: number }>;
};

export const SEEN_MS = 30_000;

export function sidecarAt(
  url: string,
  process: BedProcess,
  id: number,
  env: Readonly<Record<string, string>>,
  intervalMs: number,
): Sidecar {
  const get = async (path: string, limitMs = ANSWER_MS) => {
    const answer = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(limitMs) });
    return { code: answer.status, text: await answer.text() };
  };
  const probe = async (name: ProbeName) => {
    const atMs = performance.now();
    const { code, text } = await get(`/health/${name}`);
    return parseProbe(code, JSON.parse(text), atMs, performance.now() - atMs);
  };
  const metrics = async () => (await get("/metrics")).text;
  const awaited = async (
    what: string,
    name: ProbeName,
    wanted: (probed: Probed) => boolean,
    deadlineMs: number,
  ) =>
    await until(
      `${what} of sidecar ${id}'s ${name}`,
      async () => {
        const probed = await probe(name);
        if (!wanted(probed)) throw new Error(probeText(probed));
        return probed;
      },
      { deadlineMs, intervalMs: POLL_MS },
    );
  return {
    ...{ id, url, intervalMs, process, env, probe, metrics },
    live: () => probe("live"),
    ready: () => probe("ready"),
    startup: () => probe("startup"),
    restartSafe: () => probe("restart-safe"),
    about: () => get("/about"),
    metric: async (sample) => sampleIn(await metrics(), sample),
    drain: async (timeoutSeconds) => {
      const limitMs = timeoutSeconds * 1000 + DRAIN_MS;
      const { code, text } = await get(`/drain?timeout=${timeoutSeconds}s`, limitMs);
      return parseDrain(code, JSON.parse(text));
    },
    fresh: (name, sinceMs = performance.now()) =>
      awaited("a new round", name, ({ roundMs }) => (roundMs ?? 0) > sinceMs, SEEN_MS),
    seenAfter: async (sinceMs, name, wanted, deadlineMs = SEEN_MS) => {
      const probed = await awaited("the wanted answer", name, wanted, deadlineMs);
      return { probed, afterMs: probed.atMs + probed.tookMs - sinceMs };
    },
  };
}

/** What all four probes say, for the log of a failed test. */
export async function toldBy(sidecar: Sidecar): Promise<string> {
  const lines = await Promise.all(
    PROBES.map(async (name) => {
      const said = await sidecar.probe(name).then(probeText, String);
      return `  ${name}: ${said}`;
    }),
  );
  return lines.join("\n");
}
