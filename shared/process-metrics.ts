/**
 * Metrics of the process itself under Prometheus' standard names, read at each scrape. prom-client's own
 * collection is not used: its event-loop monitor wakes the process a hundred times a second, half the CPU
 * of a program that mostly waits, and its V8 heap spaces, which Bun does not have, take 28 ms per scrape.
 */
import { readdirSync } from "node:fs";
import { openFiles } from "./linux/kernel-files.ts";
import { type Metrics, openMetrics } from "./metrics.ts";

const DESCRIPTORS = "/proc/self/fd";
const LIMITS = "/proc/self/limits";
const STATUS = "/proc/self/status";
/** Exporters in Go show this where there is no limit: the largest 64 bit number. */
const UNLIMITED = 2 ** 64;
const BYTES_PER_KB = 1024;
const US_PER_SECOND = 1_000_000;

/** A registry that also shows the process's CPU, memory and open files. */
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
  const limits = openLimits(metrics);
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
    show(descriptors, openDescriptors());
    limits();
  });
}

type ProcessGauge = { readonly set: (value: number) => void; readonly unset: () => void };

function show(gauge: ProcessGauge, value: number | undefined): void {
  if (value === undefined) gauge.unset();
  else gauge.set(value);
}

/** Common alerts divide by these: `process_open_fds / process_max_fds`. */
function openLimits(metrics: Metrics): () => void {
  const files = openFiles();
  const textOf = (path: string): string => {
    const read = files.read(path);
    return read.ok ? read.value : "";
  };
  const maxDescriptors = metrics.gauge({
    name: "process_max_fds",
    help: "How many files and sockets may be open; absent where the limit cannot be read",
  });
  const virtual = metrics.gauge({
    name: "process_virtual_memory_bytes",
    help: "Virtual addresses in use, most of them without memory behind them",
  });
  const maxVirtual = metrics.gauge({
    name: "process_virtual_memory_max_bytes",
    help: "How many virtual addresses may be in use",
  });
  return () => {
    const limits = textOf(LIMITS);
    show(maxDescriptors, softLimit(limits, "Max open files"));
    show(maxVirtual, softLimit(limits, "Max address space"));
    const kilobytes = /^VmSize:\s+(\d+) kB$/mu.exec(textOf(STATUS))?.[1];
    show(virtual, kilobytes === undefined ? undefined : Number(kilobytes) * BYTES_PER_KB);
  };
}

/** The first of the two limits in a line of /proc/self/limits. */
export function softLimit(limits: string, name: string): number | undefined {
  const line = limits.split("\n").find((each) => each.startsWith(name));
  const text = line?.slice(name.length).trim().split(/\s+/u)[0];
  if (text === undefined || text === "") return undefined;
  return text === "unlimited" ? UNLIMITED : Number(text);
}

function openDescriptors(): number | undefined {
  try {
    // Minus the descriptor that lists them.
    return readdirSync(DESCRIPTORS).length - 1;
  } catch {
    return undefined;
  }
}
