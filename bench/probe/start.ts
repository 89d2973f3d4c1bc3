/** With a container's 128 MiB and a tenth of a CPU: when it answers, and when it is ready. */
import { readFile } from "node:fs/promises";
import { openCgroup } from "../../test/bed/cgroup.ts";
import { figure, median } from "../figure.ts";
import { BENCH, CONTAINER_BYTES, type Stage } from "./stage.ts";

const MIB = 1024 * 1024;
const CPUS = 0.1;
const TURNS = 3;
const MOST = { 1: "memory.max_usage_in_bytes", 2: "memory.peak" } as const;

export async function startInContainer(stage: Stage): Promise<void> {
  const served: number[] = [];
  const ready: number[] = [];
  const most: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const cgroup = await openCgroup({ memoryBytes: CONTAINER_BYTES, cpus: CPUS });
    try {
      const sidecar = await stage.start(cgroup);
      served.push(sidecar.servedAfterMs);
      ready.push(sidecar.readyAfterMs);
      const text = await readFile(`${cgroup.memory}/${MOST[cgroup.version]}`, "utf8");
      most.push(Number(text) / MIB);
      await sidecar.process.stop();
    } finally {
      await cgroup.close();
    }
  }
  const where = "128 MiB and 0.1 CPU";
  const bench = BENCH;
  figure({ bench, figure: `first answer in ${where}`, value: median(served), unit: "ms" });
  figure({ bench, figure: `ready in ${where}`, value: median(ready), unit: "ms" });
  figure({
    bench,
    figure: `most memory with page cache in ${where}`,
    value: Math.max(...most),
    unit: "MiB",
    bar: { atMost: CONTAINER_BYTES / MIB },
  });
}
