/** Hashes of objects and of sets: golden, and independent of any order. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addEntry,
  DEPTH_MAX,
  objectHash,
  removeEntry,
  setEntry,
  setHashText,
} from "../../../shared/protocol/object-hash.ts";
import golden from "../../vector/cluster-info.json";

const members = fc.array(fc.tuple(fc.uuid(), fc.string()), { maxLength: 20 });
const sumOf = (all: readonly (readonly [string, string])[]): bigint =>
  all.reduce((sum, [uid, hash]) => addEntry(sum, setEntry(uid, hash)), 0n);

/** The same value with the keys of each object in another order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([k, item]) => [k, turned(item)])
      .reverse(),
  );
}

describe("objectHash()", () => {
  test.each(golden.hashes)("of $name", ({ object, hash }) => expect(objectHash(object)).toBe(hash));
  test("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        expect(objectHash(turned(value))).toBe(objectHash(value));
      }),
    );
  });
  test("is that of the sorted text, whatever the keys", () => {
    const text = (value: unknown): string => {
      if (Array.isArray(value)) return `[${value.map(text).join()}]`;
      if (typeof value !== "object" || value === null) return JSON.stringify(value);
      const all = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
      return `{${all.map(([key, item]) => `${JSON.stringify(key)}:${text(item)}`).join()}}`;
    };
    const key = fc.oneof(fc.string(), fc.constantFrom("9", "10", "01", "__proto__", "toJSON", "é"));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 0 }),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const parsed: unknown = JSON.parse(JSON.stringify(value));
        const expected = new Bun.CryptoHasher("sha256").update(text(parsed)).digest("hex");
        expect(objectHash(parsed)).toBe(expected.slice(0, 32));
      }),
      { numRuns: 1000 },
    );
  });
  test("depends on everything else", () => {
    const values = [{}, [], null, "", 0, "0", { a: 1 }, { a: "1" }, { a: [1] }, { a: { b: 1 } }];
    expect(new Set(values.map(objectHash)).size).toBe(values.length);
  });
  test("does not see a key without a value, which JSON does not have", () => {
    expect(objectHash({ a: undefined, b: 1 })).toBe(objectHash({ b: 1 }));
  });
  test("is undefined beyond DEPTH_MAX", () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });
    expect(objectHash(nested(DEPTH_MAX))).toBeDefined();
    expect(objectHash(nested(DEPTH_MAX + 1))).toBeUndefined();
    expect(objectHash([nested(DEPTH_MAX)])).toBeUndefined();
  });
});

describe("setHashText()", () => {
  test.each(golden.sets)("of $members.length members", ({ members: all, set_hash: want }) => {
    const pairs = all.map(([uid = "", hash = ""]) => [uid, hash] as const);
    expect(setHashText(sumOf(pairs))).toBe(want);
  });
  test("does not depend on the order in which members came and went", () => {
    fc.assert(
      fc.property(members, members, (kept, gone) => {
        const full = sumOf([...gone, ...kept]);
        const left = gone.reduce((sum, [uid, hash]) => removeEntry(sum, setEntry(uid, hash)), full);
        expect(setHashText(left)).toBe(setHashText(sumOf(kept.toReversed())));
      }),
    );
  });
  test("tells a member twice from a member once", () => {
    const one = setEntry("u-1", "h");
    expect(addEntry(one, one)).not.toBe(one);
    expect(addEntry(0n, (1n << 128n) - 1n) + 1n).toBe(1n << 128n);
    expect(addEntry((1n << 128n) - 1n, 1n)).toBe(0n);
    expect(removeEntry(0n, 1n)).toBe((1n << 128n) - 1n);
  });
});
