import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  changesOf,
  type ExistingRow,
  type RowChanges,
  rowKeyText,
} from "../../../../sidecar/ingest/plan/changes.ts";
import { stepsOf, type Version } from "../../../../sidecar/ingest/plan/steps.ts";
import { itemsOf, LIFE, objectRecord, tombstone } from "../message.ts";

type Row = { phase: string; projection: string; from: number; pass: string };
type Past = { uid: string; phase: string; from: number; to: number; ending: string };
type Table = { rows: Map<string, Row>; past: Past[] };

const versionsOf = (records: Parameters<typeof itemsOf>[0]): readonly Version[] =>
  stepsOf(itemsOf(records), new Map([["af-1", LIFE]])).steps.flatMap((step) =>
    step.type === "rows" ? step.versions : [],
  );

const phaseOf = (version: Version): string =>
  version.type === "object" ? String(version.record.object["phase"]) : "";

/** One version at a time, as the tables are to be afterwards. */
function byHand(table: Table, versions: readonly Version[]): Table {
  const rows = new Map([...table.rows].map(([uid, row]) => [uid, { ...row }]));
  const past = [...table.past];
  for (const version of versions) {
    const { uid, atMs } = version;
    const row = rows.get(uid);
    const phase = phaseOf(version);
    if (version.type === "tombstone") {
      if (row !== undefined)
        past.push({ uid, phase: row.phase, from: row.from, to: atMs, ending: "deleted" });
      rows.delete(uid);
      continue;
    }
    const { projection, pass } = version.source;
    if (row === undefined) rows.set(uid, { phase, projection, from: atMs, pass });
    else if (row.phase === phase || row.projection !== projection)
      Object.assign(row, { phase, projection, pass });
    else {
      past.push({ uid, phase: row.phase, from: row.from, to: atMs, ending: "changed" });
      rows.set(uid, { phase, projection, from: atMs, pass });
    }
  }
  return { rows, past };
}

/** As the statements of store/rows.ts apply them, in their order. */
function apply(table: Table, changes: RowChanges): Table {
  const rows = new Map(table.rows);
  const past = [...table.past];
  for (const { uid, validToMs: to, ending } of changes.closings) {
    const row = table.rows.get(uid);
    if (row === undefined) throw new Error("closes what is not there");
    past.push({ uid, phase: row.phase, from: row.from, to, ending });
  }
  for (const { version, validFromMs: from, validToMs: to, ending } of changes.history) {
    past.push({ uid: version.uid, phase: phaseOf(version), from, to, ending });
  }
  for (const { uid } of changes.removals) rows.delete(uid);
  for (const { version, validFromMs: from } of changes.upserts) {
    const { projection, pass } = version.source;
    rows.set(version.uid, { phase: phaseOf(version), projection, from, pass });
  }
  for (const { uid, pass } of changes.passes) {
    const row = rows.get(uid);
    if (row === undefined) throw new Error("a pass without a row");
    rows.set(uid, { ...row, pass });
  }
  return { rows, past };
}

const existingOf = (table: Table): ReadonlyMap<string, ExistingRow> =>
  new Map(
    [...table.rows].map(([uid, { phase, projection, from }]) => {
      const [version] = versionsOf([objectRecord(uid, phase)]);
      const hash = version?.type === "object" ? version.record.hash : "";
      const key = rowKeyText({ clientId: "af-1", kind: "pods", uid });
      return [key, { hash, projection, validFromMs: from }] as const;
    }),
  );

const sorted = ({ rows, past }: Table) => ({
  rows: [...rows].toSorted(([one], [other]) => (one < other ? -1 : 1)),
  past: past.map((each) => JSON.stringify(each)).toSorted(),
});

describe("changesOf()", () => {
  const record = fc.oneof(
    fc
      .record({
        uid: fc.constantFrom("u1", "u2", "u3"),
        phase: fc.constantFrom("a", "b", "c"),
        pass: fc.integer({ min: 1, max: 3 }),
        projection: fc.constantFrom("1", "1", "1", "2"),
      })
      .map(({ uid, phase, ...from }) => objectRecord(uid, phase, from)),
    fc.constantFrom("u1", "u2", "u3").map((uid) => tombstone(uid)),
  );

  test("does what one version at a time would, whatever the batches", () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 25 }),
        fc.integer({ min: 1, max: 25 }),
        (all, cut) => {
          const versions = versionsOf(all);
          let table: Table = { rows: new Map(), past: [] };
          for (let from = 0; from < versions.length; from += cut) {
            const batch = versions.slice(from, from + cut);
            table = apply(table, changesOf(batch, existingOf(table)));
          }
          expect(sorted(table)).toEqual(sorted(byHand({ rows: new Map(), past: [] }, versions)));
        },
      ),
      { numRuns: 500 },
    );
  });

  test("an unchanged object moves its pass alone", () => {
    const table = {
      rows: new Map([["u1", { phase: "a", projection: "1", from: 5, pass: "" }]]),
      past: [],
    };
    const changes = changesOf(
      versionsOf([objectRecord("u1", "a", { pass: 7 })]),
      existingOf(table),
    );
    expect(changes).toMatchObject({ upserts: [], closings: [], history: [], removals: [] });
    expect(changes.passes).toEqual([
      { clientId: "af-1", kind: "pods", uid: "u1", pass: `${LIFE}.7` },
    ]);
  });

  test("no version ends before it began, though the clocks of two partitions differ", () => {
    const table = {
      rows: new Map([["u1", { phase: "a", projection: "1", from: 9e9, pass: "" }]]),
      past: [],
    };
    const changes = changesOf(
      versionsOf([objectRecord("u1", "b"), tombstone("u1")]),
      existingOf(table),
    );
    expect(changes.closings[0]?.validToMs).toBe(9e9);
    expect(changes.history[0]).toMatchObject({ validFromMs: 9e9, validToMs: 9e9 });
  });
});
