/** Metrics: closed label lists are complete from the start, open ones are bounded. */
import { describe, expect, test } from "bun:test";
import { openMetrics } from "../../shared/metrics.ts";
import { openProcessMetrics, softLimit } from "../../shared/process-metrics.ts";

const series = async (metrics: { text(): Promise<string> }) =>
  (await metrics.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));

describe("openMetrics()", () => {
  test("shows every value of a closed list, 0 included", async () => {
    const metrics = openMetrics();
    const labels = { status: ["active", "stale", "dead"] } as const;
    const gauge = metrics.gauge({ name: "clusters", help: "h", labels });
    gauge.set(5, { status: "active" });
    const want = ['clusters{status="active"} 5', 'clusters{status="stale"} 0'];
    expect(await series(metrics)).toEqual([...want, 'clusters{status="dead"} 0']);
    gauge.clear();
    expect(await series(metrics)).toContain('clusters{status="active"} 0');
  });
  test("leaves out a gauge that is unset, until it is set again", async () => {
    const metrics = openMetrics();
    const limit = metrics.gauge({ name: "limit_bytes", help: "h" });
    limit.unset();
    expect(await series(metrics)).toEqual([]);
    limit.set(7);
    expect(await series(metrics)).toEqual(["limit_bytes 7"]);
    const labels = { dir: { valuesMax: 9 } } as const;
    const free = metrics.gauge({ name: "free_bytes", help: "h", labels });
    for (const dir of ["a", "b"]) free.set(1, { dir });
    free.unset({ dir: "a" });
    expect(await series(metrics)).toEqual(["limit_bytes 7", 'free_bytes{dir="b"} 1']);
  });
  test("counts without labels", async () => {
    const metrics = openMetrics();
    const counter = metrics.counter({ name: "acts_total", help: "h" });
    expect(await series(metrics)).toEqual(["acts_total 0"]);
    counter.add(2);
    expect(await series(metrics)).toEqual(["acts_total 2"]);
  });
  test("counts what is past an open label's bound as _other", async () => {
    const metrics = openMetrics();
    const labels = { topic: { valuesMax: 2 } } as const;
    const counter = metrics.counter({ name: "reads_total", help: "h", labels });
    for (const topic of ["a", "b", "c", "d", "a"]) counter.add(1, { topic });
    expect(await series(metrics)).toEqual([
      'reads_total{topic="a"} 2',
      'reads_total{topic="b"} 1',
      'reads_total{topic="_other"} 2',
    ]);
  });
  test("observes in buckets", async () => {
    const metrics = openMetrics();
    const histogram = metrics.histogram({ name: "took_seconds", help: "h", buckets: [1, 5] });
    histogram.observe(3);
    expect(await series(metrics)).toEqual([
      'took_seconds_bucket{le="1"} 0',
      'took_seconds_bucket{le="5"} 1',
      'took_seconds_bucket{le="+Inf"} 1',
      "took_seconds_sum 3",
      "took_seconds_count 1",
    ]);
  });
  test("refreshes before it renders, and keeps two registries apart", async () => {
    const [one, two] = [openMetrics(), openMetrics()];
    const gauge = one.gauge({ name: "age_seconds", help: "h" });
    one.beforeText(() => gauge.set(7));
    expect(await series(one)).toEqual(["age_seconds 7"]);
    expect(await series(two)).toEqual([]);
  });
  test("adds the process's own when asked to", async () => {
    const metrics = openProcessMetrics();
    const read = async () =>
      new Map(
        (await series(metrics)).map((line) => [line.split(" ")[0], Number(line.split(" ")[1])]),
      );
    const first = await read();
    expect([...first.keys()]).toEqual([
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "process_heap_bytes",
      "process_open_fds",
      "process_max_fds",
      "process_virtual_memory_bytes",
      "process_virtual_memory_max_bytes",
      "process_start_time_seconds",
    ]);
    expect(first.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(first.get("process_open_fds")).toBeGreaterThan(2);
    expect(first.get("process_max_fds")).toBeGreaterThan(first.get("process_open_fds") ?? 0);
    expect(first.get("process_virtual_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(first.get("process_virtual_memory_max_bytes")).toBeGreaterThan(10_000_000);
    const startedMs = 1000 * (first.get("process_start_time_seconds") ?? 0);
    expect(Math.abs(startedMs - performance.timeOrigin)).toBeLessThan(1000);
    const usedS = first.get("process_cpu_seconds_total") ?? 0;
    const { user, system } = process.cpuUsage();
    expect(usedS).toBeGreaterThan(0);
    expect(usedS).toBeLessThanOrEqual((user + system) / 1_000_000);
    expect((await read()).get("process_cpu_seconds_total")).toBeGreaterThanOrEqual(usedS);
  });
});

describe("softLimit()", () => {
  const limits = [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    "Max open files            1024                 524288               files     ",
    "Max address space         unlimited            unlimited            bytes     ",
    "",
  ].join("\n");
  test.each([
    ["Max open files", 1024],
    ["Max address space", 2 ** 64],
    ["Max of nothing", undefined],
  ])("of %p is %p", (name, want) => expect(softLimit(limits, name)).toBe(want));
});
