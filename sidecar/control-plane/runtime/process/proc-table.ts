/**
 * Reads /proc (proc(5)): whether a process is still the one we started, which processes are in a group, and
 * which have a token in their environment. Zombies count as gone, because they do not run.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { readStat } from "../../../../shared/linux/proc-stat.ts";
import type { ProcessId } from "./name-file.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const TOKEN = "OUTRIDER_INSTANCE=";
/** `flags:` of fdinfo is octal; O_ACCMODE of a descriptor that cannot write is 0. */
const ACCESS_MODE = 3;

/** @throws if /proc cannot be read: this runtime cannot work without it */
export const readBootId = (): string => readFileSync(BOOT_ID, "utf8").trim();

/** Whether that very process still runs. The pid alone says nothing: pids are reused. */
export function processLives(id: ProcessId, bootId: string): boolean {
  if (id.bootId !== bootId) return false;
  const stat = readStat(id.pid);
  return stat?.alive === true && stat.startTicks === id.startTicks;
}

/** Whether there is a process, of any user, or a zombie with that pid. Costs a tenth of `processLives`. */
export function numberInUse(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (cause) {
    return errnoOf(cause) === "EPERM";
  }
}

function allPids(): readonly number[] {
  return readdirSync("/proc").map(Number).filter(Number.isSafeInteger);
}

/** The living members of every process group. */
export function readGroups(): ReadonlyMap<number, readonly number[]> {
  const groups = new Map<number, number[]>();
  for (const pid of allPids()) {
    const stat = readStat(pid);
    if (stat?.alive !== true) continue;
    const members = groups.get(stat.group);
    if (members === undefined) groups.set(stat.group, [pid]);
    else members.push(pid);
  }
  return groups;
}

/** The value of OUTRIDER_INSTANCE with which a process was started; undefined also if we may not read it. */
export function readToken(pid: number): string | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/environ`, "latin1"));
  const found = text?.split("\0").find((entry) => entry.startsWith(TOKEN));
  return found?.slice(TOKEN.length);
}

export type Trace =
  | { readonly kind: "process"; readonly pid: number; readonly startTicks: number }
  /** A process without a token may write to the log: a start that has not reached its `exec`. */
  | { readonly kind: "unclear"; readonly pid: number };

/** One start to look for: its token, and the log that was opened for its process. */
export type Sought = { readonly token: string; readonly log: string };

/**
 * Finds the processes of starts whose control plane died, by token. Between `fork` and `exec` a process
 * does not have its environment yet, but has the log open: read in this order, one of the two is seen.
 */
export function findTraces(sought: readonly Sought[]): ReadonlyMap<string, Trace> {
  const traces = new Map<string, Trace>();
  const tokens = new Set(sought.map((each) => each.token));
  const byLog = new Map(sought.map((each) => [each.log, each.token]));
  for (const pid of allPids()) {
    if (pid === process.pid) continue;
    const token = readToken(pid);
    const owners = token === undefined ? writtenLogs(pid, byLog) : [token];
    for (const owner of owners.filter((each) => tokens.has(each))) {
      const known = traces.get(owner);
      const found = token === undefined ? (known ?? { kind: "unclear", pid }) : traceOf(pid, known);
      if (found !== undefined) traces.set(owner, found);
    }
  }
  return traces;
}

/** A process that may write to this file. */
export function findWriter(log: string): number | undefined {
  const byLog = new Map([[log, log]]);
  return allPids().find((pid) => pid !== process.pid && writtenLogs(pid, byLog).length > 0);
}

/** Of several processes with one token, the worker is the session leader. */
function traceOf(pid: number, known: Trace | undefined): Trace | undefined {
  const stat = readStat(pid);
  if (stat?.alive !== true) return known;
  if (stat.session === pid) return { kind: "process", pid, startTicks: stat.startTicks };
  if (known?.kind === "process") return known;
  // The leader may be gone while its group is left: no live process has start time 0.
  return { kind: "process", pid: stat.session, startTicks: 0 };
}

/** The values for those files to which the process may write. */
function writtenLogs(pid: number, of: ReadonlyMap<string, string>): readonly string[] {
  const base = `/proc/${pid}`;
  const fds = attempt(() => readdirSync(`${base}/fd`)) ?? [];
  return fds.flatMap((fd) => {
    const file = attempt(() => readlinkSync(`${base}/fd/${fd}`));
    const owner = file === undefined ? undefined : of.get(file);
    if (owner === undefined) return [];
    const info = attempt(() => readFileSync(`${base}/fdinfo/${fd}`, "utf8"));
    const flags = Number.parseInt(/^flags:\s*([0-7]+)/mu.exec(info ?? "")?.[1] ?? "1", 8);
    return (flags & ACCESS_MODE) === 0 ? [] : [owner];
  });
}

/** A process may end between any two reads, and another user's cannot be read: neither is an error. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
