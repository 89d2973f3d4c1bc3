/** Alerting rules by Prometheus' own evaluation: a case says which series there are, and when how many alerts fire. */
import { join } from "node:path";
import * as v from "valibot";
import type { Promtool } from "../bed/promtool.ts";

export type AlertCase = {
  readonly name: string;
  readonly alert: string;
  /** Samples every `interval` from 0 s on, in promtool's notation: `0x4 1x8` is five of 0 and nine of 1; `_` is none. */
  readonly series: Readonly<Record<string, string>>;
  /** In promtool's notation. At these times exactly this many alerts of the name fire. */
  readonly firing: Readonly<Record<string, number>>;
};

const Rules = v.object({
  groups: v.array(v.looseObject({ rules: v.array(v.looseObject({ alert: v.string() })) })),
});

export const alertNamesOf = (rules: unknown): readonly string[] =>
  v.parse(Rules, rules).groups.flatMap((group) => group.rules.map(({ alert }) => alert));

export type Evaluation = {
  /** Undefined: Prometheus could not be had. */
  readonly tool: Promtool | undefined;
  /** The file of the rules. */
  readonly rules: string;
  /** For promtool's own files. */
  readonly directory: string;
  /** Between two samples, and between two evaluations. */
  readonly interval: string;
};

/** What promtool says of one case: labels and texts are not compared, only how many fire. */
export async function evaluateAlert(
  { tool, rules, directory, interval }: Evaluation,
  { alert, series, firing }: AlertCase,
): Promise<string> {
  const count = (expected: number) => (expected === 0 ? [] : [{ labels: "{}", value: expected }]);
  const asked = `count by () (ALERTS{alertname="${alert}",alertstate="firing"})`;
  const file = join(directory, `${crypto.randomUUID()}.json`);
  const testFile = {
    rule_files: [rules],
    evaluation_interval: interval,
    tests: [
      {
        interval,
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: Object.entries(firing).map(([at, expected]) => ({
          expr: asked,
          eval_time: at,
          exp_samples: count(expected),
        })),
      },
    ],
  };
  // JSON is YAML.
  await Bun.write(file, JSON.stringify(testFile));
  const { code, output } = (await tool?.("test", "rules", file)) ?? {
    code: 1,
    output: "no promtool",
  };
  return code === 0 ? "as expected" : output;
}
