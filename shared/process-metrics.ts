/**
 * What a process says of itself under Prometheus' own names, read when it is asked. Not prom-client's
 * collection: its event-loop monitor wakes the process a hundred times a second, half the CPU of a program
 * that mostly waits, and its V8 heap spaces, which Bun does not have, take 28 ms a scrape.
 */
import { readdirSync } from "node:fs";
import { type Metrics, openMetrics } from "./metrics.ts";

const DESCRIPTORS = "/proc/self/fd";
const US_PER_SECOND = 1_000_000;

/** A registry that shows the process's own CPU, memory and open files as well. */
export function openProcessMetrics(): Metrics {
  const metrics = openMetrics();
  showProcess(metrics);
  return metrics;
}

function showProcess(metrics: Metrics): void {
  const cpu = metrics.counter({
    name: "process_cpu_seconds_total",
    help: "Time on a CPU, of all threads, in user and kernel mode",
  });
  const resident = metrics.gauge({
    name: "process_resident_memory_bytes",
    help: "Memory in RAM, the binary's own pages included",
  });
  const heap = metrics.gauge({ name: "process_heap_bytes", help: "Size of the JavaScript heap" });
  const descriptors = metrics.gauge({
    name: "process_open_fds",
    help: "Open files and sockets; absent where they cannot be listed",
  });
  const start = metrics.gauge({
    name: "process_start_time_seconds",
    help: "When the process started, Unix time",
  });
  start.set(performance.timeOrigin / 1000);
  let countedUs = 0;
  metrics.beforeText(() => {
    const { user, system } = process.cpuUsage();
    cpu.add(Math.max(0, user + system - countedUs) / US_PER_SECOND);
    countedUs = Math.max(countedUs, user + system);
    const { rss, heapTotal } = process.memoryUsage();
    resident.set(rss);
    heap.set(heapTotal);
    const open = openDescriptors();
    if (open === undefined) descriptors.unset();
    else descriptors.set(open);
  });
}

function openDescriptors(): number | undefined {
  try {
    // Less the one that lists them.
    return readdirSync(DESCRIPTORS).length - 1;
  } catch {
    return undefined;
  }
}
