/** Kafka's memory as metrics: the original's names, and what is not known is not there. */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "../../../../shared/clock.ts";
import { openLog } from "../../../../shared/log.ts";
import { openMetrics } from "../../../../shared/metrics.ts";
import type { Memory } from "../../../../sidecar/broker/memory/cgroup.ts";
import type { MemoryFigures } from "../../../../sidecar/broker/memory/cgroup-files.ts";
import { openMemoryGauges } from "../../../../sidecar/broker/memory/metrics.ts";
import { clockOf } from "../../../clock.ts";

const FRESH_MS = 1000;

const figures: MemoryFigures = {
  ...{ usageBytes: 600, rssBytes: 400, inactiveFileBytes: 100, limitBytes: 1000, oomKills: 0 },
};
const reading = (more: Partial<MemoryFigures> = {}, cgroup = "a"): Memory => ({
  ...{ kind: "read", source: "kafka", detail: "cgroup v2", cgroup },
  figures: { ...figures, ...more },
});
const absent: Memory = { kind: "absent", reason: "no process" };

function openGauges(first: Memory) {
  let memory = first;
  let nowMs = 0;
  let reads = 0;
  const lines: string[] = [];
  const metrics = openMetrics();
  const gauges = openMemoryGauges({
    metrics,
    memory: {
      read: () => {
        reads += 1;
        return memory;
      },
    },
    log: openLog({
      level: "info",
      format: "text",
      write: (line) => lines.push(line),
      clock: systemClock,
    }),
    clock: clockOf({ monotonicMs: () => nowMs }),
  });
  return {
    gauges,
    lines,
    reads: () => reads,
    later: (next: Memory) => {
      memory = next;
      nowMs += FRESH_MS;
    },
    series: async (prefix = "") =>
      (await metrics.text())
        .split("\n")
        .filter((line) => line.startsWith(prefix) && !line.startsWith("#") && line !== ""),
    text: () => metrics.text(),
  };
}

describe("openMemoryGauges()", () => {
  test("shows the original's eight gauges, without labels", async () => {
    const { series, text } = openGauges(reading());
    expect(await series("kafka_")).toEqual([
      "kafka_memory_usage_bytes 600",
      "kafka_memory_limit_bytes 1000",
      "kafka_memory_rss_bytes 400",
      "kafka_memory_inactive_file_bytes 100",
      "kafka_memory_working_set_bytes 500",
      "kafka_memory_non_reclaimable_bytes 400",
      "kafka_memory_oom_ratio 0.5",
      "kafka_memory_oom_floor_ratio 0.4",
    ]);
    const types = [...(await text()).matchAll(/^# TYPE kafka_memory_\w+ (?<type>\w+)$/gmu)];
    expect(types.map(({ groups }) => groups?.["type"])).toEqual(Array(8).fill("gauge"));
  });

  test("leaves limit and ratios out without a limit, and with one of nothing the ratios", async () => {
    const { series, later } = openGauges(reading({ limitBytes: undefined }));
    const names = (await series("kafka_")).map((line) => line.split(" ")[0]);
    expect(names).toEqual([
      "kafka_memory_usage_bytes",
      "kafka_memory_rss_bytes",
      "kafka_memory_inactive_file_bytes",
      "kafka_memory_working_set_bytes",
      "kafka_memory_non_reclaimable_bytes",
    ]);
    later(reading({ limitBytes: 0 }));
    expect(await series("kafka_memory_limit")).toEqual(["kafka_memory_limit_bytes 0"]);
    expect(await series("kafka_memory_oom")).toEqual([]);
  });

  test("leaves everything out when nothing is known, and says so", async () => {
    const { series, later, gauges } = openGauges(reading());
    expect(await series("outrider_broker_memory_source_")).toEqual([
      "outrider_broker_memory_source_kafka 1",
      "outrider_broker_memory_source_self 0",
      "outrider_broker_memory_source_path 0",
      "outrider_broker_memory_source_none 0",
    ]);
    later(absent);
    expect(await series("kafka_")).toEqual([]);
    expect(await series("outrider_broker_memory_source_none")).toEqual([
      "outrider_broker_memory_source_none 1",
    ]);
    expect(gauges.story()).toEqual({ source: "none", detail: "no process" });
    later(reading());
    expect(await series("kafka_")).toHaveLength(8);
  });

  test("never shows a working set below 0", async () => {
    const { series } = openGauges(reading({ usageBytes: 50, inactiveFileBytes: 100 }));
    expect(await series("kafka_memory_working_set")).toEqual(["kafka_memory_working_set_bytes 0"]);
  });

  test("counts OOM kills over cgroups that follow one another", async () => {
    const { series, later } = openGauges(reading({ oomKills: 2 }));
    const kills = () => series("outrider_broker_oom_kills_total");
    expect(await kills()).toEqual(["outrider_broker_oom_kills_total 2"]);
    later(reading({ oomKills: 3 }));
    expect(await kills()).toEqual(["outrider_broker_oom_kills_total 3"]);
    later(reading({ oomKills: 1 }, "b"));
    expect(await kills()).toEqual(["outrider_broker_oom_kills_total 4"]);
    later(reading({ oomKills: undefined }, "b"));
    expect(await kills()).toEqual(["outrider_broker_oom_kills_total 4"]);
    later(reading({ oomKills: 1 }, "b"));
    expect(await kills()).toEqual(["outrider_broker_oom_kills_total 4"]);
  });

  test("reads once for scrapes that come together", async () => {
    const { series, later, reads } = openGauges(reading());
    await series();
    await series();
    expect(reads()).toBe(1);
    later(reading());
    await series();
    expect(reads()).toBe(2);
  });

  test("tells in /about what is there now, also when nobody asks for the metrics", () => {
    const { gauges, later } = openGauges(absent);
    expect(gauges.story().source).toBe("none");
    later(reading());
    expect(gauges.story().source).not.toBe("none");
  });

  test("logs what is read when that changes, not each time", () => {
    const { gauges, later, lines } = openGauges(absent);
    expect(gauges.story().source).toBe("none");
    gauges.refresh();
    later(absent);
    gauges.refresh();
    expect(lines).toHaveLength(1);
    later(reading());
    gauges.refresh();
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("cgroup v2");
  });
});

test("docs/operating.md lists the metrics of Kafka's memory", async () => {
  const made = [...(await openGauges(reading()).text()).matchAll(/^# TYPE (?<name>\S+)/gmu)];
  const document = await Bun.file(join(import.meta.dir, "../../../../docs/operating.md")).text();
  const section = document.split("### Kafka's memory")[1]?.split(/\n##+ /u)[0] ?? "";
  const cells = [...section.matchAll(/^\| (?<cell>`[^|]+`) \|/gmu)];
  const named = cells.flatMap(({ groups }) => [
    ...(groups?.["cell"] ?? "").matchAll(/`(?<name>[a-z_]+)`/gu),
  ]);
  const names = (matches: readonly RegExpMatchArray[]) =>
    matches.map(({ groups }) => groups?.["name"] ?? "").sort();
  expect(names(named)).toEqual(names(made));
});
