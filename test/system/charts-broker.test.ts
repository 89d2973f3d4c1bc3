/** The broker sidecar's templates as a chart that depends on ours uses them: charts/sidecar/examples/kafka. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHelm } from "../bed/helm.ts";
import { reapDirectory } from "../bed/reaper.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import {
  chartPath,
  type Manifest,
  named,
  type PodSpec,
  parseManifests,
  podOf,
  render,
} from "./manifest.ts";
import { violations } from "./manifest-rules.ts";

const LIMIT_MS = 60_000;
const BY_HAND = join(import.meta.dir, "../../docs/deploy/kafka-statefulset.yaml");

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the broker's templates: ${missing}\n`);

describe.skipIf(missing !== undefined)("the broker sidecar's templates", () => {
  let directory: string;
  let manifests: readonly Manifest[];

  // A copy, for the dependency is packed into the chart that has it.
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "outrider-chart-"));
    reapDirectory(directory);
    await cp(chartPath("sidecar"), join(directory, "sidecar"), { recursive: true });
    const chart = join(directory, "sidecar/examples/kafka");
    const helm = await openHelm();
    const packed = await helm("dependency", "update", chart);
    expect(packed).toMatchObject({ code: 0 });
    manifests = await render(chart, {}, { release: "kafka" });
  }, LIMIT_MS);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const kafkaPod = (): PodSpec => {
    const pod = podOf(named(manifests, "StatefulSet", "kafka"));
    if (pod === undefined) throw new Error("a StatefulSet without a pod");
    return pod;
  };

  test("the example keeps every rule, but that Kafka itself writes to its root", () => {
    expect(violations(manifests)).toEqual([
      "StatefulSet kafka: container kafka: may write to its root",
    ]);
  });

  test("the sidecar is a native one, and Kafka has the probes and the preStop", () => {
    const pod = kafkaPod();
    expect(pod.shareProcessNamespace).toBe(true);
    const [sidecar] = pod.initContainers;
    expect(sidecar).toMatchObject({
      name: "kafka-sidecar",
      restartPolicy: "Always",
      args: ["broker"],
    });
    expect(sidecar?.readinessProbe).toBeUndefined();
    const [kafka] = pod.containers;
    expect(kafka?.startupProbe?.httpGet.path).toBe("/health/startup");
    expect(kafka?.livenessProbe?.httpGet.path).toBe("/health/live");
    expect(kafka?.readinessProbe?.httpGet.path).toBe("/health/ready");
    expect(kafka?.lifecycle?.preStop?.httpGet.path).toBe("/drain?timeout=120s");
    // Drain, Kafka's controlled shutdown, and air.
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(120 + 60);
  });

  test("they say what the example without helm says", async () => {
    const byHand = parseManifests(await Bun.file(BY_HAND).text());
    const other = podOf(named(byHand, "StatefulSet", "kafka"));
    const pod = kafkaPod();
    const shape = (each: PodSpec | undefined) => ({
      sharesProcesses: each?.shareProcessNamespace,
      graceSeconds: each?.terminationGracePeriodSeconds,
      sidecar: each?.initContainers.map(({ startupProbe, livenessProbe, resources, args }) => ({
        ...{ livenessProbe: livenessProbe?.httpGet, startupProbe: startupProbe?.httpGet },
        ...{ resources, args },
      })),
      kafka: each?.containers.map(({ startupProbe, livenessProbe, readinessProbe, lifecycle }) => ({
        ...{ startupProbe, livenessProbe, readinessProbe, lifecycle },
      })),
    });
    expect(shape(pod)).toEqual(shape(other));
  });
});
