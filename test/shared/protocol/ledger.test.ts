/** Our own records: ledger, control, audit and quarantine, read whatever somebody wrote there. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as v from "valibot";
import { decodeAudit } from "../../../shared/protocol/audit.ts";
import { decodeControl, encodeControl } from "../../../shared/protocol/control.ts";
import { OWN_VALUE_BYTES_MAX, toBytes, VALUE_BYTES_MAX } from "../../../shared/protocol/json.ts";
import { decodeLedger, encodeStatus } from "../../../shared/protocol/ledger.ts";
import { readQuarantineHeaders } from "../../../shared/protocol/quarantine.ts";
import { clientIds, oldStatuses, statuses } from "./arbitrary.ts";
import { StatusOf01 } from "./ledger-of-0.1.ts";

const APPLIED = { topic_id: "t", offset: 18, epoch: 41 };

describe("decodeLedger()", () => {
  test("gives back every status that was encoded", () => {
    fc.assert(
      fc.property(statuses, (status) => {
        const got = decodeLedger(toBytes(status.client_id), toBytes(encodeStatus(status)));
        // A lone surrogate is no UTF-8 text; nothing that was decoded from bytes holds one.
        if (!JSON.stringify(status).isWellFormed() || /\\ud[89a-f]/iu.test(JSON.stringify(status)))
          return;
        expect(got).toEqual({ ok: true, value: { kind: "status", status } });
      }),
    );
  });
  test("an unknown word, or a fact that cannot be read, never makes a cluster unknown", () => {
    const words = fc.string({ minLength: 1 });
    const anything = fc.jsonValue();
    const later = fc.record(
      {
        state: words,
        reason: words,
        withdrawal: words,
        worker: anything,
        conflict: anything,
        offsets: anything,
        stray: anything,
        novelty: anything,
      },
      { requiredKeys: [], noNullPrototype: true },
    );
    fc.assert(
      fc.property(oldStatuses, later, (status, changes) => {
        const text = JSON.stringify({ ...status, ...changes });
        if (!text.isWellFormed() || /\\ud[89a-f]/iu.test(text)) return;
        const got = decodeLedger(toBytes(status.client_id), toBytes(text));
        expect(got).toMatchObject({ ok: true, value: { status: { registry: status.registry } } });
      }),
    );
  });
  test.each([
    ["a registration", "{}", { state: "registered", reason: "registration", withdrawal: null }],
    ["a tombstone", null, { state: "withdrawn", reason: "tombstone", withdrawal: "pending" }],
  ])("unknown words are read as what follows from %s", (_, value, expected) => {
    const worker = { runtime: "p", instance: "1", spec_hash: "s", restarts: 0, state: "frozen" };
    const status = {
      ...{ client_id: "af-10", epoch: 1, since: "", worker },
      ...{ state: "frozen", reason: "cold", withdrawal: "frozen" },
      registry: { partition: 0, offset: 1, value, headers: {} },
    };
    const got = decodeLedger(toBytes("af-10"), toBytes(JSON.stringify(status)));
    const read = { ...expected, worker: { ...worker, state: "running" } };
    expect(got).toMatchObject({ ok: true, value: { kind: "status", status: read } });
  });
  test("0.1 reads every record that is written today, facts or not", () => {
    fc.assert(
      fc.property(statuses, (status) => {
        expect(v.is(StatusOf01, JSON.parse(encodeStatus(status)))).toBe(true);
      }),
    );
  });
  test("what 0.1 wrote is read as it meant it, and has no facts", () => {
    fc.assert(
      fc.property(oldStatuses, (status) => {
        const text = JSON.stringify(status);
        if (!text.isWellFormed() || /\\ud[89a-f]/iu.test(text)) return;
        const got = decodeLedger(toBytes(status.client_id), toBytes(text));
        expect(got).toEqual({ ok: true, value: { kind: "status", status } });
      }),
    );
  });
  test("has room for the largest registration that can be accepted", () => {
    const value = `${JSON.stringify({ client_id: "a", cluster_name: "" }).slice(0, -1)}${"\n".repeat(VALUE_BYTES_MAX - 38)}}`;
    const long = "\u0001".repeat(1024);
    const names = Array.from({ length: 16 }, (_, index) => [
      `${index}`.padEnd(1024, "\u0001"),
      long,
    ]);
    const headers = Object.fromEntries(names);
    const bytes = toBytes(JSON.stringify({ value, headers })).length;
    expect(bytes).toBeLessThan(OWN_VALUE_BYTES_MAX - 4096);
  });

  const cases: readonly [string, string | null, object | null, boolean][] = [
    ["an applied record", "_applied:0", APPLIED, true],
    ["partition 999999999", "_applied:999999999", APPLIED, true],
    ["a partition of ten digits", "_applied:1000000000", APPLIED, false],
    ["a partition below zero", "_applied:-1", APPLIED, false],
    ["an offset of 0", "_applied:0", { ...APPLIED, offset: 0 }, true],
    ["an offset below zero", "_applied:0", { ...APPLIED, offset: -1 }, false],
    ["the last safe offset", "_applied:0", { ...APPLIED, offset: 2 ** 53 - 1 }, true],
    ["an offset that no number holds", "_applied:0", { ...APPLIED, offset: 2 ** 53 }, false],
    ["half an offset", "_applied:0", { ...APPLIED, offset: 0.5 }, false],
    ["a record without a key", null, APPLIED, false],
    ["a null value", "_applied:0", null, false],
    ["a status without its fields", "af-10", { client_id: "af-10" }, false],
  ];
  test.each(cases)("%s", (_name, key, value, want) => {
    const bytes = value === null ? null : toBytes(JSON.stringify(value));
    expect(decodeLedger(key === null ? null : toBytes(key), bytes).ok).toBe(want);
  });
});

/** A record without facts is read by hand, any other by the schema: one that is no fact brings it there. */
describe("decodeLedger() reads alike by hand and by its schema", () => {
  const worker = { runtime: "docker", instance: "i", spec_hash: "s", restarts: 1, state: "exited" };
  const base = { client_id: "af-10", epoch: 1, state: "active", reason: "heartbeat", since: "s" };
  const registry = { partition: 0, offset: 1, value: "{}", headers: { by: "agent" } };
  const bases = {
    ...base,
    ...{ withdrawal: null, group_kept: undefined, conflict: undefined },
    ...{ sequence: undefined, stray: undefined },
  };
  const records = [
    { ...bases, registry: { ...registry, topic_id: "t" }, worker: { ...worker, held: undefined } },
    {
      ...{ ...bases, sequence: 3, withdrawal: "done", worker: null },
      registry: { ...registry, topic_id: undefined, value: null, headers: {} },
    },
  ];
  const values: readonly unknown[] = [
    ...[undefined, null, true, {}, [], "", "x", "X y", "af-10", "pending", "running", "dead"],
    ...["silent", 0, -0, 1, -1, 0.5, 2 ** 53, 2 ** 53 - 1, { by: 1 }, { by: "x", at: "y" }],
    ...[{ constructor: "x" }, { prototype: "x", by: "y" }, ["x"], { since: "s", instances: [] }],
  ];
  const decoded = (record: object) =>
    decodeLedger(toBytes("af-10"), toBytes(JSON.stringify(record)));
  const same = (record: object) => {
    const byHand = decoded(record);
    expect(byHand).toEqual(decoded({ offsets: 0, ...record }));
    return byHand.ok;
  };
  const fields = [...Object.keys(bases), "registry", "worker"];

  test.each(fields)("%s", (name) => {
    const read = records.flatMap((record) =>
      values.map((value) => same({ ...record, [name]: value })),
    );
    expect(read.length).toBe(records.length * values.length);
  });
  test.each(["partition", "offset", "value", "topic_id", "headers", "other"])(
    "registry.%s",
    (name) => {
      const read = records.flatMap((record) =>
        values.map((value) => same({ ...record, registry: { ...record.registry, [name]: value } })),
      );
      expect(read).toContain(true);
    },
  );
  test.each([...Object.keys(worker), "held", "other"])("worker.%s", (name) => {
    const read = values.map((value) =>
      same({ ...records[0], worker: { ...worker, [name]: value } }),
    );
    expect(read).toContain(true);
  });
});

describe("decodeControl()", () => {
  test("gives back a released brake of any clients", () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(clientIds), (releasedAtEpoch, clients) => {
        const record = {
          kind: "brake",
          brake: { released_at_epoch: releasedAtEpoch, clients },
        } as const;
        const { key, value } = encodeControl(record);
        expect(decodeControl(toBytes(key), toBytes(value))).toEqual({ ok: true, value: record });
      }),
    );
  });
  test("refuses a release that names something else than clients", () => {
    const value = toBytes(JSON.stringify({ released_at_epoch: 1, clients: ["../etc"] }));
    expect(decodeControl(toBytes("brake"), value).ok).toBe(false);
  });
});

describe("decodeLedger(), decodeControl() and decodeAudit()", () => {
  const bytes = fc.option(fc.oneof(fc.uint8Array(), fc.json().map(toBytes)));
  const names = ["af-10", "_applied:0", "leader", "brake", "accept-registry"];
  const key = fc.oneof(fc.option(fc.uint8Array()), fc.constantFrom(...names).map(toBytes));
  test("never throw, whatever the bytes", () => {
    fc.assert(
      fc.property(key, bytes, (name, value) => {
        decodeLedger(name, value);
        decodeControl(name, value);
        decodeAudit(value);
      }),
    );
  });
  test("refuse a value past their limit", () => {
    const long = toBytes(`"${"x".repeat(OWN_VALUE_BYTES_MAX - 1)}"`);
    const got = decodeLedger(toBytes("af-10"), long);
    expect(got).toMatchObject({
      error: `af-10: ${long.length} bytes, at most ${OWN_VALUE_BYTES_MAX}`,
    });
  });
});

describe("readQuarantineHeaders()", () => {
  const ours = { reason: "key-invalid", detail: "", topic: "t", partition: "0", offset: "7" };
  const without = (name: keyof typeof ours) => {
    const { [name]: _, ...rest } = ours;
    return rest;
  };
  test.each(["reason", "topic", "partition", "offset"] as const)("needs %s", (name) => {
    expect(readQuarantineHeaders(without(name))).toBeUndefined();
  });
  test("does without a detail", () => {
    expect(readQuarantineHeaders(without("detail"))?.detail).toBe("");
  });
  test.each(["x", "1.5", "1e99"])("refuses the offset %p", (offset) => {
    expect(readQuarantineHeaders({ ...ours, offset })).toBeUndefined();
  });
});
