/**
 * The sidecar: runs its table of commands in the shell that both programs share. What only one command
 * needs is imported when it runs: in a broker's pod the control plane would cost 15 MB.
 */
import { runProgram, type Shell } from "../shared/cli/shell.ts";
import type { ExitCode } from "../shared/exit.ts";
import { SIDECAR, type SidecarRun } from "./commands.ts";

async function start(run: SidecarRun, shell: Shell): Promise<ExitCode> {
  switch (run.command) {
    case "broker":
    case "check live":
    case "check ready":
    case "drain": {
      const { startBroker } = await import("./broker/command.ts");
      return await startBroker(run, shell);
    }
    case "control-plane": {
      const { startControlPlane } = await import("./control-plane/command.ts");
      return await startControlPlane(run, shell);
    }
    case "ingest": {
      const { startIngest } = await import("./ingest/command.ts");
      return await startIngest(shell);
    }
    case "check kafka": {
      const { startCheck } = await import("./check.ts");
      return await startCheck(run, shell);
    }
    case "withdraw":
    case "release-brake":
    case "accept-registry": {
      const { startOperator } = await import("./control-plane/operator/command.ts");
      return await startOperator(run, shell);
    }
  }
}

await runProgram(SIDECAR, process.env, start);
