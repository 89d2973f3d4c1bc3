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
import { A, B, idOf, recordOf, registrationText } from "../sample.ts";

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

describe("judge(), a registry that is read from its start", () => {
  const ofPartition = (partition: number) => ({
    ...{ ends: new Map([[partition, 10]]), judged: new Set<number>() },
  });
  const HISTORY = { ...AT, topicId: "new", history: ofPartition(0) };
  /** `r` and `n` are two registrations, `t` a tombstone, `g` garbage; at offsets from 0 on. */
  const recordsOf = (what: string, from = 0) =>
    [...what].map((letter, index) => {
      const texts = { r: registrationText(A), n: registrationText(A, { version: "2" }) };
      const value = { ...texts, t: null, g: "not json" }[letter];
      return recordOf(A, from + index, value);
    });
  const read = (ledger: string, history: string, topicId = "old") => {
    const fleet = createFleet();
    admit(fleet, recordsOf(ledger), { ...AT, topicId });
    const judged = admit(fleet, recordsOf(history), HISTORY);
    return { judged, cluster: fleet.clusters.get(A) };
  };
  const REGISTERED = { state: "registered", withdrawal: null, groupKept: false } as const;
  const WITHDRAWN = { state: "withdrawn", withdrawal: "pending" } as const;
  const cases: readonly [string, string, string, object][] = [
    ["an uninstall and a reinstall is a registration", "", "rtr", REGISTERED],
    ["an uninstall keeps its group", "", "rt", { ...WITHDRAWN, groupKept: true }],
    ["garbage behind a registration erases nothing", "", "rtrgg", REGISTERED],
    ["garbage behind a tombstone neither", "", "rtg", { ...WITHDRAWN, groupKept: true }],
    ["the ledger's registration outlives a tombstone", "r", "rt", REGISTERED],
    ["what the ledger withdrew stays so", "rt", "rt", { ...WITHDRAWN, groupKept: false }],
    [
      "a registration beats the ledger's tombstone",
      "t",
      "r",
      { registry: { value: registrationText(A) } },
    ],
  ];
  test.each(cases)("%s: ledger '%s', registry '%s'", (_name, ledger, history, want) => {
    expect(read(ledger, history).cluster).toMatchObject(want);
  });
  test("a registration that the ledger has wakes nobody, and is known at its new place", () => {
    const fleet = createFleet();
    admit(fleet, recordsOf("r"), { ...AT, topicId: "old" });
    const cluster = fleet.clusters.get(A);
    if (cluster !== undefined) Object.assign(cluster, { state: "dead", released: true });
    const judged = admit(fleet, recordsOf("ttr"), HISTORY);
    expect(judged).toMatchObject({ changed: [], moved: [cluster], registrations: 0 });
    expect(cluster).toMatchObject({ state: "dead", released: true });
    expect(cluster?.registry).toMatchObject({ offset: 2, topic_id: "new" });
    expect(admit(fleet, recordsOf("n"), HISTORY).changed).toEqual([]);
    admit(fleet, recordsOf("n", 3), HISTORY);
    expect(cluster?.state).toBe("registered");
  });
  test("a tombstone of an installation that was replaced withdraws nobody, also in a history", () => {
    const of = (id: string) => registrationText(A, { installation_id: id });
    const headers = { "outrider-installation-id": "one" };
    const fleet = createFleet();
    const got = admit(
      fleet,
      [recordOf(A, 0, of("one")), recordOf(A, 1, of("two")), recordOf(A, 2, null, { headers })],
      HISTORY,
    );
    expect(got.refused.map(({ error }) => error.code)).toEqual(["other-installation"]);
    expect(fleet.clusters.get(A)).toMatchObject({ ...REGISTERED, registry: { offset: 1 } });
  });
  test("what an operator withdrew stays so in a history, whatever an agent's restart said after it", () => {
    const by = (who: string) => ({ headers: { "outrider-by": who } });
    const withdrawn = recordOf(A, 1, null, by("sidecar withdraw"));
    const restarted = recordOf(A, 2, undefined, by("agent run"));
    const fleet = createFleet();
    const got = admit(fleet, [recordOf(A, 0), withdrawn, restarted], HISTORY);
    expect(got.refused.map(({ error }) => error.code)).toEqual(["withdrawn-by-operator"]);
    expect(fleet.clusters.get(A)).toMatchObject({ state: "withdrawn", registry: { offset: 1 } });
    admit(fleet, [recordOf(A, 4)], HISTORY);
    expect(fleet.clusters.get(A)?.registry).toMatchObject({ offset: 4 });
  });
  test("names whom a tombstone did not withdraw", () => {
    expect(read("r", "t").judged).toMatchObject({ outlived: [A], tombstones: 0, changed: [] });
  });
  test("a partition that was added speaks after the ledger of the same topic", () => {
    const fleet = createFleet();
    admit(fleet, recordsOf("r"), { ...AT, topicId: "new" });
    const [tombstone] = recordsOf("t");
    const added = tombstone === undefined ? [] : [{ ...tombstone, partition: 1 }];
    admit(fleet, added, { ...HISTORY, history: ofPartition(1) });
    expect(fleet.clusters.get(A)).toMatchObject({ ...WITHDRAWN, groupKept: true });
  });
  test("judged by older rules, only what these refused is news", () => {
    const fleet = createFleet();
    const old = { ...AT, topicId: "new" };
    admit(fleet, [recordOf(A, 4), recordOf(B, 2), recordOf(B, 3, null)], old);
    const history = {
      ends: new Map([
        [0, 9],
        [1, 9],
      ]),
      judged: new Set([0, 1]),
    };
    const create = { timestampType: "create" } as const;
    const records = [
      recordOf(A, 1, null),
      recordOf(A, 4),
      recordOf("Prod_EU", 5),
      recordOf(A, 7, JSON.stringify({ client_id: A })),
      recordOf(B, 3, null, create),
      recordOf(B, 1, undefined, { ...create, partition: 1 }),
    ];
    const got = admit(fleet, records, { ...HISTORY, history });
    expect(got.changed.map(({ clientId }) => clientId).sort()).toEqual(["Prod_EU", A].map(idOf));
    expect(fleet.clusters.get(B)?.state).toBe("withdrawn");
  });
  test("what was written later is an order: a tombstone deletes the group, one of the kept too", () => {
    for (const ledger of ["", "t"]) {
      const fleet = createFleet();
      admit(fleet, recordsOf(ledger), HISTORY);
      admit(fleet, recordsOf("rt", 10), HISTORY);
      expect(fleet.clusters.get(A)).toMatchObject({ ...WITHDRAWN, groupKept: false });
    }
  });
  test("whatever the history, no group is deleted, and the last acceptable record counts", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[rntg]{1,9}$/u), (history) => {
        const { cluster } = read("", history);
        const last = history.replaceAll("g", "").at(-1);
        expect(cluster?.state).toBe(
          last === undefined ? undefined : last === "t" ? "withdrawn" : "registered",
        );
        expect(cluster?.withdrawal === "pending").toBe(cluster?.groupKept === true);
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
