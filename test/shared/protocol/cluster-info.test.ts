/** Golden records of `cluster-info`, both ways, and that no bytes make the decoder throw. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ClusterInfoMessage,
  decodeClusterInfo,
  type EncodedRecord,
  encodeBegin,
  encodeMark,
  encodeObject,
  encodeScope,
  encodeTombstone,
  objectKey,
} from "../../../shared/protocol/cluster-info.ts";
import { toBytes } from "../../../shared/protocol/json.ts";
import golden from "../../vector/cluster-info.json";

type Vector = {
  readonly name: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly want?: unknown;
  readonly refused?: string;
  readonly written?: boolean;
};

const vectors: readonly Vector[] = golden.records;
const bytesOf = (text: string | null) => (text === null ? null : toBytes(text));
const read = ({ key, value, headers }: Vector) =>
  decodeClusterInfo(bytesOf(key), bytesOf(value), headers);

/** What we would write for what was read. */
function again(message: ClusterInfoMessage): EncodedRecord | undefined {
  switch (message.type) {
    case "object": {
      const { record, source } = message;
      const { name, created_time: createdTime } = record.object;
      const object = { ...record.object, name: String(name), created_time: String(createdTime) };
      return encodeObject({ ...record, object }, source);
    }
    case "tombstone": {
      const { clientId, kind, uid, source } = message;
      if (source === undefined) return undefined;
      return encodeTombstone(objectKey(clientId, kind, uid), source);
    }
    case "begin":
      return encodeBegin(message.begin);
    case "scope":
      return encodeScope(message.scope, "1-0a1b2c3d");
    case "mark":
      return encodeMark(message.mark, message.source.projection);
  }
}

describe("decodeClusterInfo()", () => {
  test.each(vectors.filter(({ refused }) => refused === undefined))("reads $name", (vector) => {
    const message = read(vector);
    expect(message.ok).toBe(true);
    if (message.ok) expect<unknown>(JSON.parse(JSON.stringify(message.value))).toEqual(vector.want);
  });
  test.each(vectors.filter(({ refused }) => refused !== undefined))("refuses $name", (vector) => {
    expect(read(vector)).toMatchObject({ ok: false, error: { code: vector.refused } });
  });
  test.each(vectors.filter(({ written }) => written === true))("$name is written so", (vector) => {
    const message = read(vector);
    const { key, value, headers } = vector;
    expect(message.ok ? again(message.value) : message).toEqual({ key: key ?? "", value, headers });
  });

  test("says nothing of a value that may be secret", () => {
    const secret = "hunter2-hunter2";
    const values = [
      secret,
      `{"schema":1,"client_id":"${secret}"}`,
      `{"schema":1,"client_id":{"${secret}":"${secret}"}}`,
      `{"schema":1,"client_id":"af-10","kind":"pods","uid":"${secret}","name":1}`,
    ];
    for (const value of values) {
      const headers = { life: "00c0ffee00c0ffee", pass: "00c0ffee00c0ffee.1" };
      const got = decodeClusterInfo(toBytes("af-10/pods/u-1"), toBytes(value), headers);
      expect(got.ok).toBe(false);
      expect(JSON.stringify(got)).not.toContain(secret);
    }
  });

  test("never throws, however deep or wrong the value is", () => {
    const [first] = vectors;
    const start = (first?.value ?? "").split('"object":')[0] ?? "";
    const deep = `${start}"object":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`;
    const headers = first?.headers ?? {};
    const key = toBytes(first?.key ?? "");
    expect(decodeClusterInfo(key, toBytes(deep), headers)).toMatchObject({ ok: false });
    fc.assert(
      fc.property(
        fc.option(
          fc.oneof(fc.uint8Array(), fc.constantFrom(...vectors.map((v) => toBytes(v.key ?? "")))),
        ),
        fc.option(fc.oneof(fc.uint8Array(), fc.json().map(toBytes))),
        fc.dictionary(fc.constantFrom("life", "pass", "projection"), fc.string()),
        (anyKey, anyValue, anyHeaders) => {
          expect(typeof decodeClusterInfo(anyKey, anyValue, anyHeaders).ok).toBe("boolean");
        },
      ),
    );
  });
});
