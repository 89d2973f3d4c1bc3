/** What the parts of the process runtime share: paths, and state that is only in memory. */

import { join } from "node:path";
import type { Clock } from "../../../../shared/clock.ts";
import type { Log } from "../../../../shared/log.ts";
import type { Lock } from "./lock.ts";
import type { Exit, ProcessId } from "./name-file.ts";

export type Child = {
  /** Resolves when `exit` is set. */
  readonly exited: Promise<void>;
  readonly exit: () => Exit | undefined;
};

export type ProcessContext = {
  readonly workers: string;
  readonly logs: string;
  /** Files that are not linked to a name yet; leftovers of a kill are removed by age. */
  readonly drafts: string;
  readonly command: readonly string[];
  readonly graceMs: number;
  /** Such as PATH and HOME; a spec's own values win. */
  readonly environment: Readonly<Record<string, string>>;
  readonly bootId: string;
  readonly lock: Lock;
  readonly log: Log;
  readonly clock: Clock;
  /** Our own children, running or exited and not removed yet, by token. */
  readonly children: Map<string, Child>;
  /** Running workers that are not our children, by token, from the last listing. */
  readonly adopted: Map<string, ProcessId>;
  /** Monotonic time of the first SIGTERM, by token: a repeated stop continues the same grace period. */
  readonly terminated: Map<string, number>;
  readonly listeners: Set<() => void>;
};

export const logPath = (context: ProcessContext, name: string): string =>
  join(context.logs, `${name}.log`);

export function notify(context: ProcessContext): void {
  for (const listener of context.listeners) listener();
}
