/** Reading what clusters send: each limit at it and one past it, and any bytes whatever. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toBytes, VALUE_BYTES_MAX } from "../../../shared/protocol/json.ts";
import {
  decodeHeartbeat,
  decodeRegistry,
  encodeHeartbeat,
  encodeRegistration,
} from "../../../shared/protocol/message.ts";
import { clientIds } from "./arbitrary.ts";

const REGISTRATION = { client_id: "af-10", cluster_name: "prod" };
const BEAT = { client_id: "af-10" };
const KEY = toBytes("af-10");

const registryOf = (fields: object, key: Uint8Array | null = KEY) => {
  const got = decodeRegistry(key, toBytes(JSON.stringify({ ...REGISTRATION, ...fields })));
  return got.ok ? got.value.kind : got.error.code;
};
const padded = (bytes: number): Uint8Array => {
  const text = JSON.stringify({ ...REGISTRATION, pad: "" });
  return toBytes(text.replace('"pad":""', `"pad":"${"x".repeat(bytes - text.length)}"`));
};

describe("decodeRegistry()", () => {
  const label = (length: number) => "a".repeat(length);
  const keys: readonly [string, string][] = [
    ["a", "tombstone"],
    ["0", "tombstone"],
    [label(200), "tombstone"],
    [label(201), "key-invalid"],
    ["", "key-invalid"],
    ["-a", "key-invalid"],
    [".a", "key-invalid"],
    ["_a", "key-invalid"],
    ["a-", "tombstone"],
    ["a--b", "tombstone"],
    ["Prod_EU", "tombstone"],
    ["a.b", "tombstone"],
    ["client_007", "tombstone"],
    ["a b", "key-invalid"],
    ["a:b", "key-invalid"],
    ["a\n", "key-invalid"],
    ["../etc", "key-invalid"],
    ["ä", "key-invalid"],
    ["\uFEFFa", "key-invalid"],
    ["_watermark", "key-invalid"],
    ["_applied:0", "key-invalid"],
  ];
  test.each(keys)("key %p, null: %s", (key, want) => {
    const got = decodeRegistry(toBytes(key), null);
    expect<string>(got.ok ? got.value.kind : got.error.code).toBe(want);
  });
  test("refuses a record without a key, and a key that is no UTF-8", () => {
    expect(registryOf({}, null)).toBe("key-invalid");
    expect(registryOf({}, Uint8Array.of(0xff))).toBe("key-invalid");
  });

  const fields: readonly [string, object, string][] = [
    ["a cluster_name of 253", { cluster_name: "x".repeat(253) }, "registration"],
    ["a cluster_name of 254", { cluster_name: "x".repeat(254) }, "registration"],
    ["no cluster_name", { cluster_name: undefined }, "registration"],
    ["a cluster_name of null", { cluster_name: null }, "registration"],
    ["a cluster_name that is a number", { cluster_name: 1 }, "value-invalid"],
    ["no client_id", { client_id: undefined }, "value-invalid"],
    ["a client_id that is a number", { client_id: 10 }, "value-invalid"],
    ["a client_id of another case", { client_id: "AF-10" }, "key-mismatch"],
    ["an interval of 1", { heartbeat_interval_seconds: 1 }, "registration"],
    ["an interval of 0.99", { heartbeat_interval_seconds: 0.99 }, "value-invalid"],
    ["an interval of 3600", { heartbeat_interval_seconds: 3600 }, "registration"],
    ["an interval of 3600.01", { heartbeat_interval_seconds: 3600.01 }, "value-invalid"],
    ["an interval in quotes", { heartbeat_interval_seconds: "30" }, "value-invalid"],
    ["an unknown field", { next: { year: [1] } }, "registration"],
  ];
  test.each(fields)("judges %s", (_name, changes, want) => {
    expect<string>(registryOf(changes)).toBe(want);
  });

  const shown: readonly [string, number][] = [
    ["version", 64],
    ["registered_at", 64],
    ["instance_id", 128],
  ];
  test.each(shown)("keeps a %s of %d characters, drops a longer one", (field, max) => {
    const read = (length: number) => {
      const sent = { ...REGISTRATION, [field]: "x".repeat(length) };
      const got = decodeRegistry(KEY, toBytes(JSON.stringify(sent)));
      return got.ok && got.value.kind === "registration" ? got.value.registration : undefined;
    };
    expect(read(max)).toMatchObject({ [field]: "x".repeat(max) });
    expect<unknown>(read(max + 1)).toEqual(REGISTRATION);
  });

  const values: readonly [string, Uint8Array, string][] = [
    ["a value of VALUE_BYTES_MAX", padded(VALUE_BYTES_MAX), "registration"],
    ["a value one byte longer", padded(VALUE_BYTES_MAX + 1), "value-too-large"],
    ["an empty value", toBytes(""), "value-empty"],
    ["a blank value", toBytes(" "), "value-not-json"],
    ["a value behind a byte order mark", toBytes("\uFEFF{}"), "value-not-json"],
    ["bytes that are no UTF-8", Uint8Array.of(0x22, 0xff, 0x22), "value-not-json"],
    ["JSON null", toBytes("null"), "value-invalid"],
    ["a JSON array", toBytes("[]"), "value-invalid"],
    ["a nesting without end", toBytes("[".repeat(VALUE_BYTES_MAX)), "value-not-json"],
  ];
  test.each(values)("%s", (_name, value, want) => {
    const got = decodeRegistry(KEY, value);
    expect<string>(got.ok ? got.value.kind : got.error.code).toBe(want);
  });

  test("keeps the value verbatim, blanks and unknown fields too", () => {
    const text = ' { "cluster_name" : "prod", "x":1e2,"client_id":"af-10"} ';
    expect(decodeRegistry(KEY, toBytes(text))).toMatchObject({ ok: true, value: { text } });
  });
  test("says what it refuses in at most 512 characters", () => {
    const long = "x".repeat(10_000);
    const got = decodeRegistry(KEY, toBytes(JSON.stringify({ ...REGISTRATION, client_id: long })));
    expect(got).toMatchObject({ ok: false, error: { code: "key-mismatch" } });
    if (!got.ok) expect(got.error.detail.length).toBeLessThanOrEqual(512);
  });
});

describe("decodeHeartbeat()", () => {
  const id = "a".repeat(63);
  const keys: readonly [string, string | undefined][] = [
    ["af-10", "af-10"],
    ["af-10::af-10", "af-10"],
    [`${id}::${id}`, id],
    [`${id}a::${id}a`, undefined],
    ["::", undefined],
    ["a:a", undefined],
    ["a::", undefined],
    ["a::a::a", undefined],
    ["a::b", undefined],
    ["_watermark::_watermark", undefined],
  ];
  test.each(keys)("key %p stands for %p", (key, want) => {
    const got = decodeHeartbeat(toBytes(key), toBytes(JSON.stringify({ client_id: want ?? "a" })));
    const heard = got.ok && got.value.kind === "heartbeat" ? got.value.clientId : undefined;
    expect<string | undefined>(heard).toBe(want);
  });
  const shown: readonly [string, unknown, unknown][] = [
    ["status", "x".repeat(64), "x".repeat(65)],
    ["timestamp", "x".repeat(64), "x".repeat(65)],
    ["reason", "x".repeat(512), "x".repeat(513)],
    ["instance_id", "x".repeat(128), "x".repeat(129)],
    ["sequence", 0, -1],
    ["status", "stopping", null],
  ];
  test.each(shown)("keeps %s %p, drops %p", (field, kept, dropped) => {
    const read = (value: unknown) => {
      const got = decodeHeartbeat(KEY, toBytes(JSON.stringify({ ...BEAT, [field]: value })));
      return got.ok && got.value.kind === "heartbeat" ? got.value.heartbeat : undefined;
    };
    expect(read(kept)).toMatchObject({ [field]: kept });
    expect<unknown>(read(dropped)).toEqual(BEAT);
  });
});

describe("decodeRegistry() and decodeHeartbeat()", () => {
  const readers = fc.constantFrom(decodeRegistry, decodeHeartbeat);
  const bytes = fc.option(fc.uint8Array({ maxLength: 200 }));
  test("never throw, whatever the bytes", () => {
    fc.assert(fc.property(readers, bytes, bytes, (read, key, value) => void read(key, value)));
  });
  test("never throw, whatever the JSON under a valid key", () => {
    fc.assert(
      fc.property(readers, fc.json(), (read, text) => {
        const got = read(KEY, toBytes(text));
        if (!got.ok) expect(got.error.detail.length).toBeLessThanOrEqual(512);
      }),
    );
  });
  test("never throw at a valid record with some bytes changed", () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    const whole = toBytes(JSON.stringify({ ...REGISTRATION, metadata: { namespace: "n" } }));
    const changes = fc.array(change, { maxLength: 4 });
    fc.assert(
      fc.property(readers, changes, fc.nat(whole.length), (read, edits, end) => {
        const value = whole.slice(0, end);
        for (const [at, byte] of edits) if (end > 0) value[at % end] = byte;
        const got = read(KEY, value);
        if (got.ok && got.value.kind !== "tick") expect<string>(got.value.clientId).toBe("af-10");
      }),
      { numRuns: 500 },
    );
  });
  test("give back what was encoded", () => {
    const text = (maxLength: number) => fc.string({ maxLength });
    const registration = fc.record(
      {
        client_id: clientIds,
        cluster_name: text(253),
        version: text(64),
        metadata: fc.record({ namespace: text(253), release_name: text(253) }),
        heartbeat_interval_seconds: fc.integer({ min: 1, max: 3600 }),
      },
      { requiredKeys: ["client_id", "cluster_name"] },
    );
    fc.assert(
      fc.property(registration, (sent) => {
        const got = decodeRegistry(toBytes(sent.client_id), toBytes(encodeRegistration(sent)));
        expect(got).toMatchObject({ ok: true, value: { registration: sent } });
      }),
    );
    const heartbeat = fc.record(
      { client_id: clientIds, status: text(64), reason: text(512), sequence: fc.nat() },
      { requiredKeys: ["client_id"] },
    );
    fc.assert(
      fc.property(heartbeat, fc.boolean(), (sent, legacyKey) => {
        const key = legacyKey ? `${sent.client_id}::${sent.client_id}` : sent.client_id;
        const got = decodeHeartbeat(toBytes(key), toBytes(encodeHeartbeat(sent)));
        expect(got).toMatchObject({ ok: true, value: { heartbeat: sent, legacyKey } });
      }),
    );
  });
});

test("a refusal is one line that names each field", () => {
  const value = toBytes('{"client_id":"af-10","cluster_name":1,"heartbeat_interval_seconds":"x"}');
  const got = decodeRegistry(toBytes("af-10"), value);
  expect(got.ok ? "" : got.error.detail).toBe(
    "cluster_name: Invalid type: Expected string but received 1; " +
      'heartbeat_interval_seconds: Invalid type: Expected number but received "x"',
  );
});
