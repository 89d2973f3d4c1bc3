/**
 * Each alert of charts/cluster-info-collector/files/alerts.yaml, by Prometheus' own evaluation of the rules: it fires
 * when it should and goes out again. An alert without a case fails.
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
const CHART = chartPath("cluster-info-collector");
const RULES = join(CHART, "files/alerts.yaml");

const consumer = (metric: string, labels = ""): string =>
  `${metric}{namespace="ci",job="consumer",pod="a"${labels === "" ? "" : `,${labels}`}}`;
const collector = (metric: string, labels: string): string =>
  `${metric}{namespace="ci",job="collector",pod="b",${labels}}`;
const PODS = 'resource_type="pods"';

const CASES: readonly AlertCase[] = [
  {
    name: "nobody is scraped for two minutes, until one is",
    alert: "ClusterInfoNoConsumer",
    series: { [consumer("cluster_info_messages_consumed_total")]: "_x7 0x8" },
    firing: { "90s": 0, "150s": 1, "300s": 0 },
  },
  {
    name: "records wait and none is stored, until some are",
    alert: "ClusterInfoConsumerStuck",
    series: {
      [consumer("outrider_ingest_lag_records", 'partition="0"')]: "7x60",
      [consumer("cluster_info_messages_consumed_total")]: "5x30 6+1x30",
    },
    firing: { "5m": 0, "12m": 1, "18m": 0 },
  },
  {
    name: "nothing waits, and nothing is stored",
    alert: "ClusterInfoConsumerStuck",
    series: {
      [consumer("outrider_ingest_lag_records", 'partition="0"')]: "0x60",
      [consumer("cluster_info_messages_consumed_total")]: "5x60",
    },
    firing: { "15m": 0, "30m": 0 },
  },
  {
    name: "a partition far behind for a quarter of an hour",
    alert: "ClusterInfoConsumerBehind",
    series: {
      [consumer("outrider_ingest_lag_records", 'partition="0"')]: "200000x40 10x20",
      [consumer("outrider_ingest_lag_records", 'partition="1"')]: "10x60",
    },
    firing: { "10m": 0, "16m": 1, "22m": 0 },
  },
  {
    name: "transactions fail for five minutes, until they do not",
    alert: "ClusterInfoDatabaseFails",
    series: {
      [consumer("cluster_info_database_operations_total", 'operation="store",status="error"')]:
        "0+1x20 20x40",
      [consumer("cluster_info_database_operations_total", 'operation="store",status="success"')]:
        "0+1x60",
    },
    firing: { "4m": 0, "8m": 1, "20m": 0 },
  },
  {
    name: "one mark differs",
    alert: "ClusterInfoRowsDiffer",
    series: {
      [consumer("outrider_ingest_mark_checks_total", 'result="unequal"')]: "0x4 1x100",
      [consumer("outrider_ingest_mark_checks_total", 'result="equal"')]: "0+1x100",
    },
    firing: { "90s": 0, "3m": 1, "40m": 0 },
  },
  {
    name: "marks are equal, or too old to say",
    alert: "ClusterInfoRowsDiffer",
    series: {
      [consumer("outrider_ingest_mark_checks_total", 'result="equal"')]: "0+1x60",
      [consumer("outrider_ingest_mark_checks_total", 'result="too-old"')]: "0+1x60",
    },
    firing: { "20m": 0 },
  },
  {
    name: "a dead letter",
    alert: "ClusterInfoDeadLetters",
    series: { [consumer("outrider_ingest_dead_letters_total")]: "0x4 1x100" },
    firing: { "90s": 0, "3m": 1, "40m": 0 },
  },
  {
    name: "two agents in turn, for half an hour",
    alert: "ClusterInfoTwoAgents",
    series: { [consumer("outrider_ingest_foreign_records_total")]: "0+2x80 160x60" },
    firing: { "20m": 0, "35m": 1, "60m": 0 },
  },
  {
    name: "one of two agents stands by, for half an hour",
    alert: "ClusterInfoTwoAgents",
    series: { [collector("outrider_collect_stands_by", 'x="y"')]: "1x80 0x20" },
    firing: { "20m": 0, "35m": 1, "45m": 0 },
  },
  {
    name: "an agent took over from another",
    alert: "ClusterInfoTwoAgents",
    series: { [consumer("outrider_ingest_foreign_records_total")]: "0x4 9x120" },
    firing: { "5m": 0, "45m": 0 },
  },
  {
    name: "a pass failed",
    alert: "ClusterInfoCollectionFails",
    series: { [collector("cluster_info_collections_total", 'status="error"')]: "0x4 1x100" },
    firing: { "90s": 0, "3m": 1, "40m": 0 },
  },
  {
    name: "a kind is forbidden for five minutes, until it is not",
    alert: "ClusterInfoKindNotCollected",
    series: {
      [collector("outrider_collect_kind_state", `${PODS},state="forbidden"`)]: "1x20 0x20",
      [collector("outrider_collect_kind_state", `${PODS},state="collected"`)]: "0x20 1x20",
    },
    firing: { "3m": 0, "8m": 1, "12m": 0 },
  },
  {
    name: "a kind that this Kubernetes has not is no alert",
    alert: "ClusterInfoKindNotCollected",
    series: { [collector("outrider_collect_kind_state", `${PODS},state="missing"`)]: "1x40" },
    firing: { "15m": 0 },
  },
  {
    name: "silence of five minutes and more",
    alert: "ClusterInfoKindSilent",
    series: { [collector("outrider_collect_kind_age_seconds", PODS)]: "0+30x30 0x10" },
    firing: { "5m": 0, "8m": 1, "17m": 0 },
  },
  {
    name: "objects that Kafka refuses",
    alert: "ClusterInfoObjectsRefused",
    series: { [collector("outrider_collect_refused_objects", PODS)]: "2x20 0x20" },
    firing: { "3m": 0, "8m": 1, "12m": 0 },
  },
];

const tool = await openPromtool().catch((error: unknown) => {
  if (!(error instanceof BedUnavailable)) throw error;
  process.stderr.write(`SKIPPED the collector's alerts: ${error.message}\n`);
  return undefined;
});
const directory = await mkdtemp(join(tmpdir(), "outrider-alerts-"));
afterAll(() => rm(directory, { recursive: true, force: true }));

const evaluate = (one: AlertCase): Promise<string> =>
  evaluateAlert({ tool, rules: RULES, directory, interval: "30s" }, one);

describe.skipIf(tool === undefined)("the collector's alerts", () => {
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

  test("each has a case in which it fires and one time at which it does not", async () => {
    const rules: unknown = Bun.YAML.parse(await Bun.file(RULES).text());
    const shown = CASES.filter(({ firing }) => {
      const counts = Object.values(firing);
      return counts.includes(0) && counts.some((count) => count > 0);
    });
    const names = [...new Set(shown.map(({ alert }) => alert))];
    expect(alertNamesOf(rules).toSorted()).toEqual(names.toSorted());
  });

  test("the chart's PrometheusRule is that file", async () => {
    const values = { monitoring: { prometheusRule: { enabled: true } } };
    const rule = named(
      await render(CHART, values),
      "PrometheusRule",
      "edge-cluster-info-collector",
    );
    const rules: unknown = Bun.YAML.parse(await Bun.file(RULES).text());
    expect<unknown>(rule.spec).toEqual(rules);
  });
});
