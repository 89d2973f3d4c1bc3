/** What is read of each kind, and that nothing else is: a secret is planted in every other field. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { annotationRule } from "../../../../agent/collect/encode/annotations.ts";
import { customKind, KIND_WORDS, kindOf } from "../../../../agent/collect/encode/kind.ts";
import { projectionOf } from "../../../../agent/collect/encode/projection.ts";
import { encode, stubOf } from "../../../../agent/collect/encode/record.ts";
import { DEPTH_MAX, objectHash } from "../../../../shared/protocol/object-hash.ts";
import { ALLOWED, cases, meta, metadata, SECRET } from "./cases.ts";

const isAllowed = annotationRule(ALLOWED);
const kind = (word: string) => {
  const found = kindOf(word);
  if (found === undefined) throw new Error(word);
  return found;
};

describe("encode()", () => {
  test.each(cases)("of $word", ({ word, raw, want }) => {
    const { object, hash, stub } = encode(kind(word), raw, isAllowed);
    expect<object>(object).toEqual(want);
    expect(JSON.stringify(object)).not.toContain(SECRET);
    expect({ hash, stub }).toEqual({ hash: objectHash(want) ?? "", stub: false });
  });

  test("of any JSON throws never, and leaves neither NUL nor half a surrogate pair", () => {
    const texts = fc.string({ unit: "binary", maxLength: 12 });
    const json = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.record({ metadata: fc.dictionary(texts, texts) }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...KIND_WORDS), json, texts, (word, value, label) => {
        const metadata = { name: `a\0b${label}`, labels: { [label]: `\ud800${label}\0` } };
        for (const raw of [value, { metadata, spec: value, status: value, data: value }]) {
          const text = JSON.stringify(encode(kind(word), raw, isAllowed).object);
          expect(text).not.toMatch(/\\u0000|\\ud[89ab]/iu);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("of a custom resource takes the fields that are named, and nothing else", () => {
    const custom = customKind({
      resource: { group: "example.com", version: "v1", plural: "databases" },
      isNamespaced: true,
      fields: ["spec.engine", "status", "spec.absent"].map((name) => ({
        name,
        path: name.split("."),
      })),
    });
    const raw = {
      ...{ apiVersion: "example.com/v1", metadata },
      spec: { engine: "postgres", password: SECRET },
      status: { phase: "Re\0ady", ["__proto__"]: { a: 1 }, list: [{ "k\0": null }, 1.5, true] },
    };
    const { object } = encode(custom, raw, isAllowed);
    expect(JSON.stringify(object)).not.toContain(SECRET);
    expect(object).toMatchObject({ api_version: "example.com/v1", ...meta });
    const fields = "fields" in object ? object.fields : {};
    expect(Object.keys(fields)).toEqual(["spec.engine", "status"]);
    expect(JSON.stringify(fields["status"])).toContain('"phase":"Ready"');
    expect(JSON.stringify(fields["status"])).toContain('[{"k":null},1.5,true]');
  });

  test("of what is nested too deep is a stub", () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < DEPTH_MAX; depth += 1) deep = [deep];
    const custom = customKind({
      resource: { group: "example.com", version: "v1", plural: "databases" },
      isNamespaced: true,
      fields: [{ name: "spec", path: ["spec"] }],
    });
    const encoded = encode(custom, { metadata, spec: deep }, isAllowed);
    expect(encoded).toEqual(stubOf({ ...meta }));
    expect(encoded.stub).toBe(true);
  });
});

describe("annotationRule()", () => {
  test("never lets through what repeats the whole object", () => {
    const all = annotationRule(["*", "kubectl.kubernetes.io/last-applied-configuration"]);
    expect(all("example.com/a")).toBe(true);
    expect(all("kubectl.kubernetes.io/last-applied-configuration")).toBe(false);
    expect(all("kapp.k14s.io/original")).toBe(false);
  });
});

describe("projectionOf()", () => {
  const custom = (name: string) =>
    customKind({
      resource: { group: "example.com", version: "v1", plural: "databases" },
      isNamespaced: true,
      fields: [{ name, path: [name] }],
    });
  test("changes with what is selected, and with nothing else", () => {
    const one = projectionOf({ annotations: ["a"], kinds: [custom("spec")] });
    expect(projectionOf({ annotations: ["a"], kinds: [custom("spec")] })).toBe(one);
    expect(projectionOf({ annotations: ["b"], kinds: [custom("spec")] })).not.toBe(one);
    expect(projectionOf({ annotations: ["a"], kinds: [custom("status")] })).not.toBe(one);
  });
});
