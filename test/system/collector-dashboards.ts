/** What dashboards and alerts of charts/cluster-info-collector ask Prometheus for. */
import { join } from "node:path";
import { Glob } from "bun";
import * as v from "valibot";
import { chartPath } from "./manifest.ts";

const CHART = chartPath("cluster-info-collector");
const RULES = join(CHART, "files/alerts.yaml");
/** Paths in the chart. */
export const DASHBOARDS: readonly string[] = [
  ...new Glob("dashboards/*.json").scanSync(CHART),
].sort();

const Expressions = v.looseObject({ expr: v.optional(v.string()) });
const Dashboard = v.looseObject({
  uid: v.string(),
  panels: v.array(
    v.looseObject({ title: v.string(), targets: v.array(v.looseObject({ expr: v.string() })) }),
  ),
});
const RuleFile = v.looseObject({ groups: v.array(v.looseObject({ rules: v.array(Expressions) })) });

export const dashboard = async (path: string) =>
  v.parse(Dashboard, await Bun.file(join(CHART, path)).json());

/** Where an expression stands, and the expression. */
type Asked = readonly [where: string, expression: string];

/** By the panels of all dashboards. */
async function panelExpressions(): Promise<readonly Asked[]> {
  const boards = await Promise.all(DASHBOARDS.map(dashboard));
  return boards.flatMap(({ uid, panels }) =>
    panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }): Asked => [`${uid}: ${title}`, expr]),
    ),
  );
}

/** By panels and alerts. */
export async function askedExpressions(): Promise<readonly Asked[]> {
  const rules: unknown = Bun.YAML.parse(await Bun.file(RULES).text());
  const alerts = v
    .parse(RuleFile, rules)
    .groups.flatMap((group) => group.rules.map(({ expr = "" }): Asked => ["an alert", expr]));
  return [...(await panelExpressions()), ...alerts];
}
