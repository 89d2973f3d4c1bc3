/** The agent as users get it: compiled, and run with nothing but what it is given. */
import { binaries } from "../bed/binaries.ts";
import { type BedProcess, startProcess } from "../bed/process.ts";

export type Environment = Readonly<Record<string, string>>;
export type Ended = {
  readonly code: number | null;
  readonly tookMs: number;
  readonly text: string;
};

export type CompiledAgent = {
  readonly start: (args: readonly string[], env: Environment) => BedProcess;
  /** To its end. */
  readonly run: (args: readonly string[], env: Environment) => Promise<Ended>;
};

export async function compileAgent(): Promise<CompiledAgent> {
  const { agent } = await binaries();
  const start: CompiledAgent["start"] = (args, env) =>
    startProcess({ name: `agent ${args.join(" ")}`, command: [agent, ...args], env });
  return {
    start,
    run: async (args, env) => {
      const startedMs = performance.now();
      const child = start(args, env);
      const { code } = await child.exited;
      const tookMs = performance.now() - startedMs;
      await child.stop(0);
      return { code, tookMs, text: child.output() };
    },
  };
}
