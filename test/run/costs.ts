/** What each job took the last time that somebody wrote it down, in costs.json: `bun run test --costs`. */
import { join } from "node:path";
import * as v from "valibot";
import type { Outcome } from "./job.ts";
import type { Cost } from "./order.ts";
import type { Job } from "./suite.ts";

const FILE = join(import.meta.dir, "costs.json");
/** By job: seconds, and seconds of CPU. */
const Costs = v.record(v.string(), v.tuple([v.number(), v.number()]));

export type Costs = ReadonlyMap<string, Cost>;

export async function readCosts(): Promise<Costs> {
  const rows = v.parse(Costs, await Bun.file(FILE).json());
  return new Map(
    Object.entries(rows).map(([name, [seconds, cpuSeconds]]) => [name, { seconds, cpuSeconds }]),
  );
}

export const costName = ({ suite, name }: Job): string => `${suite} ${name}`;

type Measured = Pick<Outcome, "job" | "passed" | "failed" | keyof Cost>;

/** Those of before are kept for what did not run, ran in part only, or did not pass. */
export function costsAfter(before: Costs, outcomes: readonly Measured[]): Costs {
  const good = outcomes.filter(({ passed, failed }) => passed > 0 && failed === 0);
  const whole = good.filter(({ job }) => job.kind === "command" || job.part !== true);
  return new Map([...before, ...whole.map((each) => [costName(each.job), each] as const)]);
}

export async function writeCosts(costs: Costs): Promise<void> {
  const lines = [...costs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { seconds, cpuSeconds }]) => {
      const row = [Math.round(seconds), Math.round(cpuSeconds)].join(", ");
      return `  ${JSON.stringify(name)}: [${row}]`;
    });
  await Bun.write(FILE, `{\n${lines.join(",\n")}\n}\n`);
}
