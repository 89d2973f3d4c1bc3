/** How busy the machine was during a run, of /proc/stat: whether more files side by side would pay. */
import { availableParallelism } from "node:os";

/** Since the machine's start, of all CPUs together. */
export type CpuTicks = { readonly idle: number; readonly all: number };

export const cpuTicks = async (): Promise<CpuTicks> =>
  parseTicks(await Bun.file("/proc/stat").text());

/** Waiting for a disk is idle; what a virtual machine was not given (steal) is not. */
export function parseTicks(stat: string): CpuTicks {
  const line = /^cpu +(?<fields>.+)$/mu.exec(stat)?.groups?.["fields"] ?? "";
  // The guest's, the ninth and tenth, are in the first two already.
  const fields = line.split(" ").slice(0, 8).map(Number);
  const [, , , idle = 0, wait = 0] = fields;
  return { idle: idle + wait, all: fields.reduce((sum, each) => sum + each, 0) };
}

export function idleText(before: CpuTicks, after: CpuTicks, cpus = availableParallelism()): string {
  const share = (after.idle - before.idle) / Math.max(1, after.all - before.all);
  return `${cpus} CPUs, ${Math.round(share * 100)} % idle`;
}
