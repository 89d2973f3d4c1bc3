/** Who may speak for a cluster that is registered already. */
import { describe, expect, test } from "bun:test";
import { toBytes } from "../../../../shared/protocol/json.ts";
import { decodeRegistry } from "../../../../shared/protocol/message.ts";
import { createFleet, foldSilence } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { admit } from "../../../../sidecar/control-plane/registry/admission.ts";
import { refusalOf } from "../../../../sidecar/control-plane/registry/identity.ts";
import { A, clusterOf, recordOf, registrationText } from "../sample.ts";

const CONFLICT = { instances: ["i-1", "i-2"], since: "2026-01-01T00:00:00.000Z" };
const registry = (installation?: string) => ({
  partition: 0,
  offset: 0,
  headers: {},
  value: registrationText(A, installation === undefined ? {} : { installation_id: installation }),
});
const known = (installation?: string, inConflict = false) =>
  clusterOf({
    registry: registry(installation),
    facts: inConflict ? { conflict: CONFLICT } : undefined,
  });

function message(value: string | null) {
  const read = decodeRegistry(toBytes(A), value === null ? null : toBytes(value));
  if (!read.ok) throw new Error(read.error.detail);
  return read.value;
}
const tombstone = message(null);
const registered = (installation?: string) => message(registry(installation).value);
const of = (installation: string) => ({ "outrider-installation-id": installation });
const FORCE = { "outrider-force": "true" };

describe("refusalOf()", () => {
  test.each([
    ["a tombstone without a header counts as before", known("x"), tombstone, {}, undefined],
    [
      "so does one of an installation that the registration does not name",
      known(),
      tombstone,
      of("x"),
      undefined,
    ],
    ["one of the same installation", known("x"), tombstone, of("x"), undefined],
    ["one of another", known("x"), tombstone, of("y"), "other-installation"],
    [
      "force is about agents, not about installations",
      known("x"),
      tombstone,
      { ...of("y"), ...FORCE },
      "other-installation",
    ],
    [
      "one while two agents beat in turn",
      known("x", true),
      tombstone,
      of("x"),
      "identity-conflict",
    ],
    ["whoever wrote it", known(undefined, true), tombstone, {}, "identity-conflict"],
    ["unless it is forced", known("x", true), tombstone, { ...of("x"), ...FORCE }, undefined],
    [
      "a registration of another installation takes over",
      known("x"),
      registered("y"),
      {},
      undefined,
    ],
    [
      "but not while two agents beat in turn",
      known("x", true),
      registered("y"),
      {},
      "identity-conflict",
    ],
    [
      "one of the same, or of none, is only said again",
      known("x", true),
      registered("x"),
      {},
      undefined,
    ],
    ["and one that names none", known("x", true), registered(), {}, undefined],
    ["nobody is protected who is not known", undefined, tombstone, of("y"), undefined],
    [
      "nor who is withdrawn",
      clusterOf({ registry: { ...registry(), value: null }, facts: { conflict: CONFLICT } }),
      registered("y"),
      {},
      undefined,
    ],
  ] as const)("%s", (_, cluster, record, headers, code) => {
    expect(refusalOf(cluster, record, headers)?.code).toBe(code);
  });

  const withdrawnBy = (headers: Readonly<Record<string, string>>) =>
    clusterOf({ state: "withdrawn", registry: { ...registry(), value: null, headers } });
  const OPERATOR = { "outrider-by": "sidecar withdraw" };
  const AGENT = { "outrider-by": "agent run" };
  test.each([
    ["an agent's own, after an operator's tombstone", OPERATOR, registered(), AGENT, true],
    ["a person's or a hook's", OPERATOR, registered(), {}, false],
    ["an agent's own, after a hook's tombstone", {}, registered(), AGENT, false],
    ["another tombstone", OPERATOR, tombstone, AGENT, false],
  ] as const)("%s: refused? as the headers say", (_, by, record, headers, isRefused) => {
    const code = isRefused ? "withdrawn-by-operator" : undefined;
    expect(refusalOf(withdrawnBy(by), record, headers)?.code).toBe(code);
  });

  test("says who beats, since when, and what to do", () => {
    const detail = refusalOf(known("x", true), tombstone, {})?.detail;
    expect(detail).toContain("instances i-1 and i-2, since 2026-01-01T00:00:00.000Z");
    expect(detail).toContain("--force");
  });
});

describe("judge()", () => {
  test("a refused tombstone changes nothing and is quarantined; after the conflict it is accepted", () => {
    const fleet = createFleet();
    const cluster = known("x", true);
    fleet.clusters.set(A, cluster);
    const at = { seen: { clock: 0, atMs: 0 }, nowMs: 0 };
    const got = admit(fleet, [recordOf(A, 5, null)], at);
    expect(got).toMatchObject({ changed: [], tombstones: 0, refused: [{ offset: 5 }] });
    expect(cluster).toMatchObject({ state: "active", registry: { offset: 0 } });
    foldSilence(cluster, "stale", 0);
    expect(admit(fleet, [recordOf(A, 6, null)], at).refused).toEqual([]);
    expect(cluster.state).toBe("withdrawn");
  });
});
