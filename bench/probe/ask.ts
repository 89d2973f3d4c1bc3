/** Runs the asking program (load.ts) and reads what it measured. */
import { join } from "node:path";
import * as v from "valibot";
import { startProcess } from "../../test/bed/process.ts";

const Measured = v.object({
  count: v.number(),
  failed: v.number(),
  /** An answer that was not 200, in words. */
  refused: v.string(),
  seconds: v.number(),
  p50: v.number(),
  p99: v.number(),
});
export type Measured = v.InferOutput<typeof Measured>;

export type Question = {
  readonly urls: readonly string[];
  readonly atOnce: number;
  readonly seconds: number;
  /** One connection a question, or one an asker. */
  readonly connections: "own" | "kept";
  /** Before each asker's next question; by default none. */
  readonly pauseMs?: number;
};

/** Answers that were not 200 are told on standard error. */
export async function ask({
  urls,
  atOnce,
  seconds,
  connections,
  pauseMs = 0,
}: Question): Promise<Measured> {
  const words = [urls.join(","), String(atOnce), String(seconds), connections, String(pauseMs)];
  const child = startProcess({
    name: "load",
    command: [process.execPath, join(import.meta.dir, "load.ts"), ...words],
    env: { PATH: "/usr/bin:/bin" },
  });
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`the asking program ended with ${code}:\n${child.output()}`);
  const measured = v.parse(v.pipe(v.string(), v.parseJson(), Measured), child.stdout());
  if (measured.failed > 0) {
    process.stderr.write(`${measured.failed} answers were not 200, as ${measured.refused}\n`);
  }
  return measured;
}
