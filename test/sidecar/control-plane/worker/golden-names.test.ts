/**
 * Names and labels as version 0.1 made them, of every client id that it took: another one would start
 * the workers of a fleet a second time. And those of the ids that it refused are apart from all of them.
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import * as v from "valibot";
import { ClientId } from "../../../../shared/protocol/client-id.ts";
import { containerOf } from "../../../../sidecar/control-plane/runtime/docker/container.ts";
import { workerJob } from "../../../../sidecar/control-plane/runtime/kubernetes/manifest.ts";
import { readJob } from "../../../../sidecar/control-plane/runtime/kubernetes/observed.ts";
import { workerNameOf, workerSpec } from "../../../../sidecar/control-plane/worker/spec.ts";

const PREFIX = "kg-graph-builder-";
const idOf = (text: string): ClientId => v.parse(ClientId, text);
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/u);
const anyId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/u);

/** The rule of 0.1, written a second time. */
function nameIn01(id: string): string {
  const name = `${PREFIX}${id}`;
  if (name.length <= 63) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 10);
  return `${`${PREFIX}-${id}`.slice(0, 52)}-${hash}`;
}

const settings = { fleet: "f", program: [], environment: {}, secretEnvironment: () => ({}) };
const limits = { image: "i", memoryBytes: 268_435_456, cpuMillis: 500 };
const kubernetes = { ...limits, serviceAccount: "s", secretName: undefined, graceMs: 1_000 };
const docker = { ...limits, network: "n", secrets: "env" as const, isPublic: () => true };
const jobOf = (id: string) => workerJob(workerSpec(idOf(id), settings, "h"), kubernetes, undefined);

describe("a client id of 0.1", () => {
  test.each([
    ["af-10", "kg-graph-builder-af-10"],
    ["10", "kg-graph-builder-10"],
    ["a--b", "kg-graph-builder-a--b"],
    ["x".repeat(46), `kg-graph-builder-${"x".repeat(46)}`],
    ["x".repeat(47), "kg-graph-builder--xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-d1dbc1ebc5"],
    ["x".repeat(63), "kg-graph-builder--xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-a3c1a7b278"],
    [
      "cluster-with-a-long-name-in-a-region-far-away-eu-west-1-prod-0",
      "kg-graph-builder--cluster-with-a-long-name-in-a-regi-9321e61236",
    ],
  ])("%s has the worker %s", (id, name) => {
    expect(workerNameOf(idOf(id))).toBe(name);
    expect(nameIn01(id)).toBe(name);
  });
  test("whichever it is, has its name", () => {
    fc.assert(fc.property(label, (id) => expect(workerNameOf(idOf(id))).toBe(nameIn01(id))));
  });
  test("has its labels", () => {
    const spec = workerSpec(idOf("af-10"), settings, "h");
    expect(containerOf(spec, docker, 10).body.Labels).toEqual({
      "outrider.fleet": "f",
      "outrider.client-id": "af-10",
      "outrider.spec-hash": "h",
      "outrider.name": "kg-graph-builder-af-10",
    });
    expect(jobOf("af-10").metadata?.labels).toEqual({
      "app.kubernetes.io/managed-by": "outrider",
      "app.kubernetes.io/name": "graph-builder",
      "app.kubernetes.io/component": "worker",
      "outrider.fleet": "f",
      "outrider.client-id": "af-10",
      "outrider.spec-hash": "h",
    });
  });
});

describe("a client id that 0.1 refused", () => {
  test.each([
    ["Prod_EU", "kg-graph-builder--prod-eu-61a5941c78a8bfd6"],
    ["prod.eu", "kg-graph-builder--prod-eu-05804358ec8a22de"],
    ["prod-eu-", "kg-graph-builder--prod-eu--ed21885f55450d24"],
  ])("%s", (id, name) => expect(workerNameOf(idOf(id))).toBe(name));
  test("has a name of its own, which is a label", () => {
    fc.assert(
      fc.property(anyId, anyId, (one, other) => {
        const names = [one, other].map((id) => workerNameOf(idOf(id)));
        for (const name of names) expect(name).toMatch(/^[a-z0-9-]{18,63}(?<!-)$/u);
        expect(names[0] === names[1]).toBe(one === other);
      }),
    );
  });
  test("differs from one that differs in case only", () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const forms = new Set([id, id.toLowerCase(), id.toUpperCase(), id.replaceAll("_", "-")]);
        expect(new Set([...forms].map((form) => workerNameOf(idOf(form)))).size).toBe(forms.size);
      }),
    );
  });
  test("is never named as a label, of any length, or by the original", () => {
    fc.assert(
      fc.property(anyId, label, (id, other) => {
        if (id === other || /^[a-z0-9-]{1,63}(?<!-)$/u.test(id)) return;
        expect(workerNameOf(idOf(id))).not.toBe(nameIn01(other));
        expect(workerNameOf(idOf(id)).charAt(PREFIX.length)).toBe("-");
      }),
    );
  });
  test.each(["Prod_EU", "prod-eu-", "client_007", `${"a".repeat(199)}Z`])(
    "is read back from the Job of %s",
    (id) => {
      const { metadata } = jobOf(id);
      expect(metadata?.labels?.["outrider.client-id"]).toMatch(
        /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/u,
      );
      const job = {
        metadata: { ...metadata, uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" },
        spec: {},
      };
      expect(readJob(job)?.owned).toEqual({ clientId: idOf(id), fleet: "f", specHash: "h" });
    },
  );
});
