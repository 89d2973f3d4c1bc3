/**
 * Dashboards and alerts of charts/cluster-info-collector ask for nothing that neither program has, by name and label,
 * and Prometheus takes every expression.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import * as v from "valibot";
import { openCollectMetrics } from "../../agent/collect/metrics.ts";
import { openMetrics } from "../../shared/metrics.ts";
import { ingestMetrics } from "../../sidecar/ingest/metrics.ts";
import { openPromtool } from "../bed/promtool.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { askedExpressions, DASHBOARDS, dashboard } from "./collector-dashboards.ts";
import { chartPath, named, render } from "./manifest.ts";

const LIMIT_MS = 60_000;
const CHART = chartPath("cluster-info-collector");

const tool = await openPromtool().catch((error: unknown) => {
  if (!(error instanceof BedUnavailable)) throw error;
  process.stderr.write(`SKIPPED the collector's dashboards: ${error.message}\n`);
  return undefined;
});
const directory = await mkdtemp(join(tmpdir(), "outrider-dashboards-"));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Names and labels of each metric, as the programs themselves write them. */
async function programMetrics(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const collect = openMetrics();
  const kind = {
    word: "pods",
    count: 1,
    refused: 0,
    ageMs: 1,
    state: { state: "collected" },
  } as const;
  const counted = openCollectMetrics(collect, () => ({
    kinds: [kind],
    waitingBytes: 0,
    standsBy: false,
  }));
  counted.passClosed("pods", 1);
  counted.failed("pods", "forbidden");
  const ingest = openMetrics();
  ingestMetrics(ingest, () => [{ partition: 0, records: 1 }]);
  const text = `${await collect.text()}\n${await ingest.text()}`;
  const found = new Map<string, Set<string>>();
  for (const { groups } of text.matchAll(/^(?<name>[a-z_]+)(?:\{(?<labels>[^}]*)\})? /gmu)) {
    const labels = found.get(groups?.["name"] ?? "") ?? new Set<string>();
    for (const [, label = ""] of (groups?.["labels"] ?? "").matchAll(/(\w+)="/gu))
      labels.add(label);
    found.set(groups?.["name"] ?? "", labels);
  }
  return found;
}

/** Prometheus' own, and those that a scrape adds. */
const FREE_METRICS = ["ALERTS"];
const SCRAPE_LABELS = ["namespace", "job", "pod", "alertname", "alertstate"];

const selectorsOf = (expression: string) =>
  [
    ...expression.matchAll(
      /\b(?<name>(?:cluster_info|outrider)_\w+|ALERTS)(?:\{(?<labels>[^}]*)\})?/gu,
    ),
  ].map(({ groups }) => ({
    name: groups?.["name"] ?? "",
    labels: [...(groups?.["labels"] ?? "").matchAll(/(\w+)\s*(?:=~|!~|!=|=)/gu)].map(
      ([, label = ""]) => label,
    ),
  }));
const groupedBy = (expression: string): readonly string[] =>
  [...expression.matchAll(/\bby \((?<labels>[^)]*)\)/gu)].flatMap(({ groups }) =>
    (groups?.["labels"] ?? "").split(",").map((label) => label.trim()),
  );

describe("what dashboards and alerts ask for", () => {
  test("is there, by name and label, in one of the two programs", async () => {
    const known = await programMetrics();
    const wrong = (await askedExpressions()).flatMap(([where, expr]) => {
      const selectors = selectorsOf(expr);
      const labels = new Set([
        ...SCRAPE_LABELS,
        ...selectors.flatMap(({ name }) => [...(known.get(name) ?? [])]),
      ]);
      return [
        ...(selectors.length === 0 ? [`${where}: ${expr} asks for none of our metrics`] : []),
        ...selectors
          .filter(({ name }) => !(known.has(name) || FREE_METRICS.includes(name)))
          .map(({ name }) => `${where}: no program has ${name}`),
        ...[...groupedBy(expr), ...selectors.flatMap((each) => each.labels)]
          .filter((label) => !labels.has(label))
          .map((label) => `${where}: ${expr} has no label ${label}`),
      ];
    });
    expect(wrong).toEqual([]);
  });

  test(
    "is two dashboards, each loaded by the label of Grafana's sidecar",
    async () => {
      expect(DASHBOARDS).toHaveLength(2);
      const manifests = await render(CHART, { monitoring: { dashboards: { enabled: true } } });
      for (const path of DASHBOARDS) {
        const name = `edge-cluster-info-collector-${basename(path, ".json")}`;
        const map = named(manifests, "ConfigMap", name);
        expect(map.metadata.labels["grafana_dashboard"]).toBe("1");
        const { data } = v.parse(v.looseObject({ data: v.record(v.string(), v.string()) }), map);
        expect<unknown>(JSON.parse(data[basename(path)] ?? "")).toEqual(await dashboard(path));
      }
    },
    LIMIT_MS,
  );

  test.skipIf(tool === undefined)("is what Prometheus can evaluate", async () => {
    const rules = (await askedExpressions()).map(([, expr], index) => ({
      record: `asked_${index}`,
      expr: expr.replaceAll("$namespace", ".*"),
    }));
    const file = join(directory, "asked.json");
    await Bun.write(file, JSON.stringify({ groups: [{ name: "asked", rules }] }));
    expect(await tool?.("check", "rules", file)).toMatchObject({ code: 0 });
  });
});
