/** docs/operating.md names every metric of the control plane, and none that is not there. */

import { expect, test } from "bun:test";
import { join } from "node:path";
import { openMetrics } from "../../shared/metrics.ts";
import { openControlPlaneMetrics, openRecorder } from "../../sidecar/control-plane/metrics.ts";
import { clockOf } from "../clock.ts";

const DOCUMENT = join(import.meta.dir, "../../docs/operating.md");

test("docs/operating.md lists the metrics of the control plane", async () => {
  const metrics = openMetrics();
  openRecorder(metrics);
  openControlPlaneMetrics(metrics, {
    term: () => undefined,
    clusters: () => [],
    clock: clockOf({ monotonicMs: () => 0 }),
    quarantineDropped: () => 0,
    ready: () => true,
    leaderTick: () => undefined,
    startedMs: 0,
    ownIntervalMs: 2_000,
  });
  const text = await metrics.text();
  const made = [...text.matchAll(/^# TYPE (?<name>\S+)/gmu)].map(({ groups }) => groups?.["name"]);
  const document = await Bun.file(DOCUMENT).text();
  const section = document.split("## Metrics of the control plane")[1]?.split("\n## ")[0] ?? "";
  const cells = [...section.matchAll(/^\| (?<cell>`[^|]+`) \|/gmu)].map(
    ({ groups }) => groups?.["cell"],
  );
  const named = cells.flatMap((cell) =>
    [...(cell ?? "").matchAll(/`(?<name>[a-z_]+)/gu)].map(({ groups }) => groups?.["name"]),
  );
  expect(named.sort()).toEqual(made.sort());
});
