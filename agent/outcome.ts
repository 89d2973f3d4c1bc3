/** How a command of the agent ended. */
import type { ExitCode } from "../shared/exit.ts";

export type CommandOutcome = {
  readonly exit: ExitCode;
  /** For a person; undefined if the log has said it already. */
  readonly line: string | undefined;
};
