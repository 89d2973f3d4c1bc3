/** Runs the client (load.ts) and reads its results. */
import { join } from "node:path";
import * as v from "valibot";
import { startProcess } from "../../test/bed/process.ts";

const Measured = v.object({
  count: v.number(),
  failed: v.number(),
  /** Text about an answer that was not 200. */
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
  /** A new connection for each question, or one per client. */
  readonly connections: "own" | "kept";
  /** Pause before each client's next question; by default none. */
  readonly pauseMs?: number;
};

/** Answers that were not 200 are reported on standard error. */
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
