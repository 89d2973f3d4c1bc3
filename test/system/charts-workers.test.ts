/** What the chart gives workers, read back by the control plane that it is for. */

import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { openHost } from "../../shared/config/host.ts";
import { openLog } from "../../shared/log.ts";
import { ok } from "../../shared/result.ts";
import { readControlPlaneConfig } from "../../sidecar/control-plane/config.ts";
import { openWorkers } from "../../sidecar/control-plane/worker/environment.ts";
import { openHelm } from "../bed/helm.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { clockOf } from "../clock.ts";
import { chartPath, environmentOf, named, podOf, render, type Values } from "./manifest.ts";

const LIMIT_MS = 60_000;
const SIDECAR_CHART = chartPath("sidecar");
const PEM = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the chart's workers: ${missing}\n`);

describe.skipIf(missing !== undefined)("the workers of the chart", () => {
  test(
    "what workers are given is written as the control plane reads it",
    async () => {
      const workers = {
        ...{ inheritKafkaAuth: true, tls: { ca: PEM }, env: { A: " x ", B: 'it\'s "q"', C: 1 } },
        podTemplate: {
          metadata: { labels: { team: "edge", n: 1_000_000 } },
          spec: { tolerations: [{ key: "a", tolerationSeconds: 300 }] },
        },
      };
      const manifests = await render(SIDECAR_CHART, { workers });
      const { stringData } = named(manifests, "Secret", "edge-control-plane");
      const { data } = v.parse(
        v.looseObject({ data: v.object({ "template.yaml": v.string() }) }),
        named(manifests, "ConfigMap", "edge-worker-pod-template"),
      );
      const files: Values = {
        "/etc/outrider/worker-env/worker.env": stringData["worker.env"],
        "/etc/outrider/worker-tls/ca.crt": stringData["worker-ca.crt"],
        "/etc/outrider/worker-pod/template.yaml": data["template.yaml"],
      };
      const readFile = (path: string) => ok(String(files[path] ?? "x"));
      const pod = podOf(named(manifests, "Deployment", "edge-control-plane"));
      const environment = pod === undefined ? {} : environmentOf(pod);
      const read = readControlPlaneConfig(environment, { ...openHost(), readFile });
      if (!read.ok) throw new Error(JSON.stringify(read.error));
      expect(read.value.workerPodTemplate).toEqual({
        ...{ labels: { team: "edge", n: "1000000" }, annotations: {} },
        spec: { tolerations: [{ key: "a", tolerationSeconds: 300 }] },
      });
      const opened = openWorkers(read.value, {
        ...{ environment, hostname: "host", executable: "/sidecar", readFile },
        ...{
          exists: () => false,
          clock: clockOf({ nowMs: () => 0, random: () => 0 }),
          signal: AbortSignal.abort(),
        },
        log: openLog({
          level: "error",
          format: "json",
          write: () => {},
          clock: clockOf({ nowMs: () => 0 }),
        }),
      });
      const settings = opened.ok ? opened.value("fleet") : undefined;
      expect(settings?.secretEnvironment()).toMatchObject({ A: " x ", B: 'it\'s "q"', C: "1" });
      expect(settings?.files?.read()).toEqual({ TLS_CA: PEM });
    },
    LIMIT_MS,
  );

  test(
    "labels and volumes of containers arrive as they were given",
    async () => {
      const labels = { team: "edge", note: "it's two words", on: true };
      const volumes = ["ca:/ca", "/srv/a b:/data:rw"];
      const docker = { runtime: "docker", docker: { host: "tcp://engine:2375", plain: true } };
      const manifests = await render(SIDECAR_CHART, { ...docker, workers: { labels, volumes } });
      const pod = podOf(named(manifests, "Deployment", "edge-control-plane"));
      const readFile = () => ok("x");
      const environment = pod === undefined ? {} : environmentOf(pod);
      const read = readControlPlaneConfig(environment, { ...openHost(), readFile });
      if (!read.ok) throw new Error(JSON.stringify(read.error));
      expect(read.value.workerLabels).toEqual({ ...labels, on: "true" });
      expect(read.value.workerVolumes).toEqual([
        { kind: "volume", source: "ca", target: "/ca", readOnly: true },
        { kind: "bind", source: "/srv/a b", target: "/data", readOnly: false },
      ]);
    },
    LIMIT_MS,
  );
});
