/** What the rounds alone cost, without probes. */
import { readFile } from "node:fs/promises";
import { figure } from "../figure.ts";
import { BENCH, type Sidecar } from "./stage.ts";

const SECONDS = 60;
const CORE_PERCENT_MAX = 1;
/** USER_HZ. */
const TICKS_PER_SECOND = 100;
/** Positions of utime and stime after the command name in /proc/<pid>/stat. */
const CPU_TIMES = [11, 12] as const;

export async function rounds({ url, process: { pid } }: Sidecar): Promise<void> {
  const before = { rounds: await roundsOf(url), cpu: await cpuSeconds(pid) };
  const sinceMs = performance.now();
  await Bun.sleep(SECONDS * 1000);
  const cpu = (await cpuSeconds(pid)) - before.cpu;
  const seconds = (performance.now() - sinceMs) / 1000;
  const count = (await roundsOf(url)) - before.rounds;
  const bench = BENCH;
  figure({ bench, figure: "rounds a minute", value: (count / seconds) * 60, unit: "1/min" });
  figure({ bench, figure: "CPU of a round", value: (cpu / count) * 1000, unit: "ms" });
  figure({
    bench,
    figure: "CPU of the rounds",
    value: (cpu / seconds) * 100,
    unit: "% of a core",
    bar: { atMost: CORE_PERCENT_MAX },
  });
}

export async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = CPU_TIMES.reduce((sum, place) => sum + Number(fields[place]), 0);
  return ticks / TICKS_PER_SECOND;
}

async function roundsOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^outrider_broker_rounds_total (?<count>\d+)$/mu.exec(text)?.[1] ?? Number.NaN);
}
