/** The agent as users get it: compiled, in a directory of its own, run with nothing but what it is given. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type BedProcess, startProcess } from "../bed/process.ts";
import { reapDirectory } from "../bed/reaper.ts";

const ROOT = resolve(import.meta.dir, "../..");
const FLAGS = ["--compile", "--minify", "--bytecode", "--format=esm"] as const;

export type Environment = Readonly<Record<string, string>>;
export type Ended = {
  readonly code: number | null;
  readonly tookMs: number;
  readonly text: string;
};

export type CompiledAgent = {
  readonly remove: () => Promise<void>;
  readonly start: (args: readonly string[], env: Environment) => BedProcess;
  /** To its end. */
  readonly run: (args: readonly string[], env: Environment) => Promise<Ended>;
};

/** The agent alone, not the sidecar: a change there is none of these tests' business. */
export async function compileAgent(): Promise<CompiledAgent> {
  const dir = await mkdtemp(join(tmpdir(), "outrider-agent-"));
  reapDirectory(dir);
  const binary = join(dir, "agent");
  const made = await Bun.$`${process.execPath} build ${FLAGS} agent/main.ts --outfile ${binary}`
    .cwd(ROOT)
    .quiet()
    .nothrow();
  if (made.exitCode !== 0) throw new Error(`the agent does not compile:\n${made.stderr}`);
  const start: CompiledAgent["start"] = (args, env) =>
    startProcess({ name: `agent ${args.join(" ")}`, command: [binary, ...args], env });
  return {
    remove: () => rm(dir, { recursive: true, force: true }),
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
