/** The broker sidecar's own metrics: what is not read is absent, and docs/operating.md names them all. */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openMetrics } from "../../../shared/metrics.ts";
import { CHECKS, STATUSES } from "../../../sidecar/broker/check/check.ts";
import type { EvaluatedRound } from "../../../sidecar/broker/check/evaluate.ts";
import { openBrokerMetrics } from "../../../sidecar/broker/metrics.ts";
import type { Readings } from "../../../sidecar/broker/probe/status.ts";
import { clockOf } from "../../clock.ts";
import { dir, failed, judged, metadataOf, partition, readIn } from "./snapshot-sample.ts";

function open(round: EvaluatedRound | undefined, nowMs = 1500) {
  const readings: Readings = {
    ...{ brokerId: 0, latest: () => round, misconfigured: undefined, staleAfterMs: 6000 },
    gates: { liveness: "local", futureReplicas: "warn" },
    clock: clockOf({ monotonicMs: () => nowMs }),
  };
  const metrics = openMetrics();
  const gauges = openBrokerMetrics(metrics, readings);
  const series = async (): Promise<ReadonlyMap<string, string>> => {
    const lines = (await metrics.text()).split("\n").filter((line) => /^[a-z]/u.test(line));
    return new Map(lines.map((line) => [line.replace(/ \S+$/u, ""), line.split(" ").at(-1) ?? ""]));
  };
  return { ...gauges, metrics, series };
}

const state = (check: string, status: string) =>
  `outrider_broker_check_state{check="${check}",status="${status}"}`;

describe("openGauges()", () => {
  test("shows each check at exactly one status", async () => {
    const series = await open(judged({ logDirs: failed("no answer") })).series();
    const states = [...series].filter(([name]) => name.startsWith("outrider_broker_check_state"));
    expect(states.length).toBe(STATUSES.length * CHECKS.length);
    expect(states.filter(([, value]) => value === "1").length).toBe(CHECKS.length);
    expect(series.get(state("broker-answers", "pass"))).toBe("1");
    expect(series.get(state("log-directories", "unknown"))).toBe("1");
    expect(series.get(state("log-directories", "pass"))).toBe("0");
  });
  test("shows the figures of the round", async () => {
    const topics = metadataOf({
      a: [partition(0, [0, 1], [1], 1), partition(1, [1, 2], [1], -1)],
    });
    const logDirs = readIn([dir("/data/0"), dir("/data/1", { errorCode: 56, usableBytes: -1 })]);
    const series = await open(judged({ ...topics, logDirs }, 250)).series();
    const want: readonly (readonly [string, string | undefined])[] = [
      ["round_age_seconds", "1.25"],
      ["under_replicated_partitions", "1"],
      ["offline_partitions", "1"],
      ["quorum_lag_records", "1"],
      ["quorum_lag_seconds", "0.2"],
      ['log_dir_online{dir="/data/0"}', "1"],
      ['log_dir_online{dir="/data/1"}', "0"],
      ['log_dir_bytes{dir="/data/0"}', "400"],
      ['log_dir_total_bytes{dir="/data/0"}', "1000"],
      ['log_dir_free_bytes{dir="/data/0"}', "500"],
      ['log_dir_free_bytes{dir="/data/1"}', undefined],
    ];
    const seen = want.map(([name]) => [name, series.get(`outrider_broker_${name}`)]);
    expect(seen).toEqual(want.map(([name, value]) => [name, value]));
  });
  test.each([
    { when: "before the first round", round: undefined, nowMs: 0 },
    { when: "once the last one is too old", round: judged(), nowMs: 6001 },
  ])("leaves out what is not known $when", async ({ round, nowMs }) => {
    const series = await open(round, nowMs).series();
    const names = [...series.keys()].filter((name) =>
      /partitions|quorum_lag|log_dir|kafka_memory/u.test(name),
    );
    expect(names).toEqual([]);
    expect(series.get(state("broker-answers", "unknown"))).toBe("1");
  });
  test("counts rounds, and those that left a check unknown", async () => {
    const { round, series } = open(undefined);
    round(judged());
    round(judged({ quorum: failed("no answer") }));
    const seen = await series();
    expect(seen.get("outrider_broker_rounds_total")).toBe("2");
    expect(seen.get("outrider_broker_rounds_failed_total")).toBe("1");
    expect(seen.get("outrider_broker_round_seconds_count")).toBe("2");
  });
});

test("docs/operating.md lists the metrics of the broker sidecar", async () => {
  const text = await open(judged()).metrics.text();
  const made = [...text.matchAll(/^# TYPE (?<name>\S+)/gmu)].map(({ groups }) => groups?.["name"]);
  const document = await Bun.file(join(import.meta.dir, "../../../docs/operating.md")).text();
  const section = document.split("## Metrics of the broker sidecar")[1]?.split(/\n##+ /u)[0] ?? "";
  const cells = [...section.matchAll(/^\| (?<cell>`[^|]+`) \|/gmu)].map(
    ({ groups }) => groups?.["cell"] ?? "",
  );
  const named = cells.flatMap((cell) =>
    [...cell.matchAll(/`(?<name>[a-z_]+)/gu)].map(({ groups }) => groups?.["name"]),
  );
  expect(named.sort()).toEqual(made.sort());
});
