/**
 * Reads /proc/<pid>/stat (proc(5)): whether a process is alive, since when, and in which group. A zombie is
 * not alive.
 */
import { readFileSync } from "node:fs";

/** Places in /proc/<pid>/stat after the command name, which is field 2: field 3 is place 0. */
const STATE = 0;
const GROUP = 2;
const SESSION = 3;
const START = 19;
const DEAD: readonly string[] = ["Z", "X", "x"];

export type Stat = {
  readonly alive: boolean;
  /** Stopped by SIGSTOP or SIGTSTP: it is alive, but does nothing until SIGCONT. */
  readonly stopped: boolean;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
};

/** The command name may contain spaces, newlines and parentheses: the last `)` ends it. */
export function parseStat(text: string): Stat | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const startTicks = Number(fields[START]);
  const state = fields[STATE];
  if (state === undefined || !Number.isSafeInteger(startTicks)) return undefined;
  const group = Number(fields[GROUP]);
  const alive = !DEAD.includes(state);
  return { alive, stopped: state === "T", group, session: Number(fields[SESSION]), startTicks };
}

/** Undefined when there is no such process. */
export function readStat(pid: number): Stat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}
