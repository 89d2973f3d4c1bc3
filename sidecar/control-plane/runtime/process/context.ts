/** What the parts of the process runtime share: where things are, and what only memory knows. */
import { join } from "node:path";
import type { Log } from "../../../../shared/log.ts";
import type { Lock } from "./lock.ts";
import type { Exit, ProcessId } from "./name-file.ts";

export type Child = {
  /** Resolves when the exit is known to `exit`. */
  readonly exited: Promise<void>;
  readonly exit: () => Exit | undefined;
};

export type ProcessContext = {
  readonly workers: string;
  readonly logs: string;
  /** Files that are not linked to a name yet; what a kill leaves there is removed by age. */
  readonly drafts: string;
  readonly command: readonly string[];
  readonly graceMs: number;
  /** PATH, HOME and the like; a spec's own values win. */
  readonly environment: Readonly<Record<string, string>>;
  readonly bootId: string;
  readonly lock: Lock;
  readonly log: Log;
  /** Unix time in ms; shown, never decided on. */
  readonly nowMs: () => number;
  /** Monotonic time in ms. */
  readonly monotonicMs: () => number;
  /** Our own children, running or exited and not removed yet, by token. */
  readonly children: Map<string, Child>;
  /** Running workers that are not our children, by token, as of the last listing. */
  readonly adopted: Map<string, ProcessId>;
  /** Monotonic time of the first SIGTERM, by token: an interrupted stop goes on where it was. */
  readonly terminated: Map<string, number>;
  readonly listeners: Set<() => void>;
};

export const logPath = (context: ProcessContext, name: string): string =>
  join(context.logs, `${name}.log`);

export function notify(context: ProcessContext): void {
  for (const listener of context.listeners) listener();
}
