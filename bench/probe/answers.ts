/** How fast probes are answered: one at a time, and 16 at once. */
import { figure } from "../figure.ts";
import { ask } from "./ask.ts";
import { cpuSeconds } from "./rounds.ts";
import { BENCH, type Sidecar } from "./stage.ts";

const SECONDS = 10;
const AT_ONCE = 16;
const READY_P50_MAX_MS = 1;
const AT_ONCE_P50_MAX_MS = 5;

export async function answers({ url, process: { pid } }: Sidecar): Promise<void> {
  for (const path of ["live", "ready"] as const) {
    for (const connections of ["own", "kept"] as const) {
      const urls = [`${url}/health/${path}`];
      const one = await ask({ urls, atOnce: 1, seconds: SECONDS, connections });
      const before = await cpuSeconds(pid);
      const many = await ask({ urls, atOnce: AT_ONCE, seconds: SECONDS, connections });
      const cpuMs = ((await cpuSeconds(pid)) - before) * 1000;
      const what = (how: string) => `${path}, ${how}, ${connections} connections`;
      const isReady = path === "ready";
      const bar = (atMost: number) => (isReady ? { bar: { atMost } } : {});
      tell(what("one at a time, p50"), one.p50, "ms", bar(READY_P50_MAX_MS));
      tell(what("one at a time, p99"), one.p99, "ms");
      tell(what("16 at once, p50"), many.p50, "ms", bar(AT_ONCE_P50_MAX_MS));
      tell(what("16 at once, p99"), many.p99, "ms");
      tell(what("16 at once"), many.count / many.seconds, "1/s");
      // Answers of its first second, which is not measured, cost the same.
      const all = many.count * (1 + 1 / SECONDS);
      tell(what("16 at once, CPU of an answer"), cpuMs / all, "ms");
    }
  }
}

function tell(
  name: string,
  value: number,
  unit: string,
  bar: { readonly bar?: { readonly atMost: number } } = {},
): void {
  figure({ bench: BENCH, figure: name, value, unit, ...bar });
}
