/** Judging registry records. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toBytes } from "../../../../shared/protocol/json.ts";
import { createFleet } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import {
  admit,
  describe as describeText,
} from "../../../../sidecar/control-plane/registry/admission.ts";
import type { RegistryRecord } from "../../../../sidecar/control-plane/registry/order.ts";
import { A, B, recordOf, registrationText } from "../sample.ts";

const AT = { seen: { clock: 0, atMs: 0 }, nowMs: 1_000 };

describe("judge()", () => {
  test("counts, keeps and refuses in one reading", () => {
    const fleet = createFleet();
    const got = admit(
      fleet,
      [recordOf(A, 1), recordOf(A, 2, "not json"), recordOf("No Label", 3), recordOf(B, 4, null)],
      AT,
    );
    expect(got).toMatchObject({ registrations: 1, tombstones: 1, conflicts: [] });
    expect(got.changed.map(({ clientId }) => clientId)).toEqual([A, B]);
    expect(got.refused.map(({ topic, offset, error }) => [topic, offset, error.code])).toEqual([
      ["cluster.registry", 2, "value-not-json"],
      ["cluster.registry", 3, "key-invalid"],
    ]);
    expect(fleet.clusters.get(A)?.registry).toEqual({
      ...{ partition: 0, offset: 1 },
      ...{ value: registrationText(A), headers: {} },
    });
  });
  test("a cluster that changed twice is told once, as it is by then", () => {
    const got = admit(createFleet(), [recordOf(A, 1), recordOf(A, 2, null)], AT);
    expect(got.changed.map(({ state }) => state)).toEqual(["withdrawn"]);
  });
  test("a refused record keeps key, value and headers", () => {
    const record = recordOf("X", 1, "not json", { headers: { trace: "1" } });
    expect(admit(createFleet(), [record], AT).refused[0]).toMatchObject({
      key: toBytes("X"),
      value: toBytes("not json"),
      headers: { trace: "1" },
    });
  });
  test("keeps 16 headers of 1024 characters in the ledger, no more", () => {
    const names = Array.from({ length: 17 }, (_, index) => `h${index}`);
    const long = (count: number) =>
      Object.fromEntries(names.slice(0, count).map((name) => [name, "x".repeat(1025)]));
    const fleet = createFleet();
    admit(fleet, [recordOf(A, 1, undefined, { headers: long(17) })], AT);
    const headers = fleet.clusters.get(A)?.registry.headers ?? {};
    expect(Object.keys(headers)).toEqual(names.slice(0, 16));
    expect(new Set(Object.values(headers))).toEqual(new Set(["x".repeat(1024)]));
  });
  test("a conflict is told, and the registration won", () => {
    const create = { timestampType: "create" } as const;
    const fleet = createFleet();
    const got = admit(
      fleet,
      [recordOf(A, 1, undefined, create), recordOf(A, 1, null, { ...create, partition: 1 })],
      AT,
    );
    expect(got.conflicts).toEqual([A]);
    expect(fleet.clusters.get(A)?.registry.value).toBe(registrationText(A));
  });
  test("reading in one piece or in several is the same", () => {
    const value = fc.constantFrom(undefined, null, "not json");
    const list = fc.array(fc.tuple(fc.constantFrom<string>(A, B), value), { maxLength: 30 });
    const shown = (pieces: readonly (readonly RegistryRecord[])[]) => {
      const fleet = createFleet();
      for (const piece of pieces) admit(fleet, piece, AT);
      return [...fleet.clusters.values()];
    };
    fc.assert(
      fc.property(list, fc.nat(30), (moves, cut) => {
        const records = moves.map(([key, what], offset) => recordOf(key, offset, what));
        expect(shown([records.slice(0, cut), records.slice(cut)])).toEqual(shown([records]));
      }),
    );
  });
});

describe("describe()", () => {
  const cases: readonly [string, string | null, string, number | undefined][] = [
    ["a name and an interval", registrationText(A, { heartbeat_interval_seconds: 60 }), "prod", 60],
    ["an empty name", registrationText(A, { cluster_name: "" }), A, undefined],
    ["a tombstone", null, A, undefined],
    ["text that was never accepted", "not json", A, undefined],
    ["wrong types", '{"cluster_name":1,"heartbeat_interval_seconds":"60"}', A, undefined],
  ];
  test.each(cases)("%s", (_name, value, clusterName, intervalSeconds) => {
    expect(describeText(A, value)).toEqual({ clusterName, intervalSeconds });
  });
});
