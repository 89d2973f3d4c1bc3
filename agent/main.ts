/** The agent: runs its table of commands in the shell that both programs share. */
import { runProgram } from "../shared/cli/shell.ts";
import { AGENT } from "./commands.ts";
import { startAgent } from "./start.ts";

await runProgram(AGENT, process.env, startAgent);
