/** What a process holds, from /proc (proc(5)): to see whether it leaks. */
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ on all that the bed runs on. */
const MS_PER_TICK = 10;
/** Places in /proc/<pid>/stat after the name in brackets. */
const UTIME = 11;
const STIME = 12;

export type Vitals = {
  readonly atMs: number;
  readonly rssKb: number;
  /** Memory that is its own, without the pages of the binary. */
  readonly anonKb: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly cpuMs: number;
};

export function vitalsOf(pid: number): Vitals {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "mu").exec(status)?.[1]);
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const times = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    atMs: performance.now(),
    rssKb: field("VmRSS"),
    anonKb: field("RssAnon"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field("Threads"),
    cpuMs: (Number(times[UTIME]) + Number(times[STIME])) * MS_PER_TICK,
  };
}

/** Least squares, per minute. */
export function slopePerMinute(
  points: readonly { readonly atMs: number; readonly value: number }[],
): number {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = mean(points.map(({ atMs }) => atMs));
  const level = mean(points.map(({ value }) => value));
  const spread = points.reduce((sum, { atMs }) => sum + (atMs - middle) ** 2, 0);
  const shared = points.reduce(
    (sum, { atMs, value }) => sum + (atMs - middle) * (value - level),
    0,
  );
  return spread === 0 ? 0 : (shared / spread) * 60_000;
}
