/**
 * Each alert of charts/sidecar/files/alerts.yaml, by Prometheus' own evaluation of the rules: it fires when
 * it should, within the time it should, and goes out again. An alert without a case fails.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPromtool } from "../bed/promtool.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { type AlertCase, alertNamesOf, evaluateAlert } from "./alert-case.ts";
import { chartPath, named, render } from "./manifest.ts";

const LIMIT_MS = 60_000;
const CHART = chartPath("sidecar");
const RULES = join(CHART, "files/alerts.yaml");

const plane = (metric: string, pod: string): string =>
  `${metric}{namespace="outrider",job="plane",pod="${pod}"}`;

const CASES: readonly AlertCase[] = [
  {
    name: "nobody leads, seen by both control planes: within a minute, until one does",
    alert: "OutriderNobodyLeads",
    series: {
      [plane("outrider_nobody_leads", "a")]: "0x4 1x8 0x8",
      [plane("outrider_nobody_leads", "b")]: "0x4 1x8 1x8",
    },
    // The first sample of 1 is that of 75 s.
    firing: { "60s": 0, "75s": 1, "180s": 1, "210s": 0 },
  },
  {
    name: "one of two sees a leader",
    alert: "OutriderNobodyLeads",
    series: {
      [plane("outrider_nobody_leads", "a")]: "1x20",
      [plane("outrider_nobody_leads", "b")]: "0x20",
    },
    firing: { "60s": 0, "300s": 0 },
  },
  {
    name: "no control plane is there at all, until one comes",
    alert: "OutriderNobodyLeads",
    series: { [plane("outrider_nobody_leads", "a")]: "_x7 0x8" },
    firing: { "60s": 1, "135s": 0 },
  },
  {
    name: "a control plane is not ready for a minute",
    alert: "OutriderControlPlaneNotReady",
    series: {
      [plane("outrider_ready", "a")]: "1x3 0x8 1x8",
      [plane("outrider_ready", "b")]: "1x20",
    },
    firing: { "60s": 0, "90s": 0, "120s": 1, "165s": 1, "195s": 0 },
  },
  {
    name: "blocked clusters for a minute, until they are adopted",
    alert: "OutriderClustersBlocked",
    series: {
      [plane("outrider_blocked_clusters", "a")]: "0x3 5x8 0x8",
      [plane("outrider_blocked_clusters", "b")]: "0x3 5x8 0x8",
    },
    firing: { "45s": 0, "105s": 0, "120s": 1, "210s": 0 },
  },
  {
    name: "orphans that are held, until they are registered",
    alert: "OutriderOrphansHeld",
    series: {
      [plane("outrider_orphans_held", "a")]: "0x3 4x4 0x8",
      [plane("outrider_orphans_held", "b")]: "0x20",
    },
    firing: { "45s": 0, "60s": 1, "120s": 1, "150s": 0 },
  },
  {
    name: "a rollout is halted, as its leader shows it, until a worker runs",
    alert: "OutriderRolloutHalted",
    series: {
      [plane("outrider_rollout_halted", "a")]: "0x3 1x8 0x8",
      [plane("outrider_rollout_halted", "b")]: "0x20",
    },
    firing: { "45s": 0, "60s": 1, "180s": 1, "195s": 0 },
  },
  {
    name: "two agents beat in turn, as leader and standby show it, until one has stopped",
    alert: "OutriderTwoAgentsOneClientId",
    series: {
      [plane("outrider_identity_conflicts", "a")]: "0x3 1x4 0x8",
      [plane("outrider_identity_conflicts", "b")]: "0x3 1x4 0x8",
    },
    firing: { "45s": 0, "60s": 1, "105s": 1, "135s": 0 },
  },
];

const tool = await openPromtool().catch((error: unknown) => {
  if (!(error instanceof BedUnavailable)) throw error;
  process.stderr.write(`SKIPPED the alerts: ${error.message}\n`);
  return undefined;
});
const directory = await mkdtemp(join(tmpdir(), "outrider-alerts-"));
afterAll(() => rm(directory, { recursive: true, force: true }));

const evaluate = (one: AlertCase): Promise<string> =>
  evaluateAlert({ tool, rules: RULES, directory, interval: "15s" }, one);

describe.skipIf(tool === undefined)("the alerts", () => {
  test("are rules that Prometheus accepts", async () => {
    expect(await tool?.("check", "rules", RULES)).toMatchObject({ code: 0 });
  });

  test.each([...CASES])(
    "$alert: $name",
    async (one) => {
      expect(await evaluate(one)).toBe("as expected");
    },
    LIMIT_MS,
  );

  test("promtool notices an alert that does not fire", async () => {
    const wrong = { name: "", alert: "OutriderNobodyLeads", firing: { "60s": 1 } };
    const series = { [plane("outrider_nobody_leads", "a")]: "0x8" };
    expect(await evaluate({ ...wrong, series })).toContain("FAILED");
  });

  test("each has a case in which it fires", async () => {
    const rules: unknown = Bun.YAML.parse(await Bun.file(RULES).text());
    const shown = CASES.filter(({ firing }) => Object.values(firing).some((count) => count > 0));
    expect(alertNamesOf(rules).toSorted()).toEqual(
      [...new Set(shown.map(({ alert }) => alert))].sort(),
    );
  });

  test("the chart's PrometheusRule is that file", async () => {
    const values = { prometheusRule: { enabled: true, labels: { release: "prometheus" } } };
    const rule = named(await render(CHART, values), "PrometheusRule", "edge-control-plane");
    expect(rule.metadata.labels["release"]).toBe("prometheus");
    const rules: unknown = Bun.YAML.parse(await Bun.file(RULES).text());
    expect<unknown>(rule.spec).toEqual(rules);
  });
});
