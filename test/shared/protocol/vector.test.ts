/** Golden records of the protocol, test/vector/protocol.json, read and written byte for byte. */
import { describe, expect, test } from "bun:test";
import { decodeAudit, encodeAudit } from "../../../shared/protocol/audit.ts";
import { decodeControl, encodeControl } from "../../../shared/protocol/control.ts";
import { toBytes } from "../../../shared/protocol/json.ts";
import {
  appliedKey,
  decodeLedger,
  encodeApplied,
  encodeStatus,
} from "../../../shared/protocol/ledger.ts";
import {
  type DecodeError,
  decodeHeartbeat,
  decodeRegistry,
  encodeHeartbeat,
  encodeRegistration,
  encodeTick,
  TICK_KEY,
} from "../../../shared/protocol/message.ts";
import { quarantineHeaders, readQuarantineHeaders } from "../../../shared/protocol/quarantine.ts";
import golden from "../../vector/protocol.json";

type Bytes = Uint8Array | null;
type Pair = { readonly key: string; readonly value: string };
/** What was read; the same written again, where we write it; or why it was refused. */
type Outcome =
  | { readonly read: unknown; readonly again: Pair | undefined }
  | { readonly refused: string };

const reasonOf = (error: DecodeError | string): string =>
  typeof error === "string" ? error : error.code;

const READERS: Readonly<Record<string, (key: Bytes, value: Bytes) => Outcome>> = {
  registry: (key, value) => {
    const got = decodeRegistry(key, value);
    if (!got.ok) return { refused: reasonOf(got.error) };
    if (got.value.kind === "tombstone") return { read: got.value, again: undefined };
    const { clientId, registration } = got.value;
    return { read: got.value, again: { key: clientId, value: encodeRegistration(registration) } };
  },
  heartbeat: (key, value) => {
    const got = decodeHeartbeat(key, value);
    if (!got.ok) return { refused: reasonOf(got.error) };
    if (got.value.kind === "tick") {
      return { read: got.value, again: { key: TICK_KEY, value: encodeTick(got.value.tick) } };
    }
    const { clientId, heartbeat } = got.value;
    return { read: got.value, again: { key: clientId, value: encodeHeartbeat(heartbeat) } };
  },
  ledger: (key, value) => {
    const got = decodeLedger(key, value);
    if (!got.ok) return { refused: reasonOf(got.error) };
    const again =
      got.value.kind === "status"
        ? { key: got.value.status.client_id, value: encodeStatus(got.value.status) }
        : { key: appliedKey(got.value.partition), value: encodeApplied(got.value.applied) };
    return { read: got.value, again };
  },
  control: (key, value) => {
    const got = decodeControl(key, value);
    if (!got.ok) return { refused: reasonOf(got.error) };
    return { read: got.value, again: encodeControl(got.value) };
  },
  audit: (_key, value) => {
    const got = decodeAudit(value);
    if (!got.ok) return { refused: reasonOf(got.error) };
    const again = { key: got.value.client_id ?? "fleet", value: encodeAudit(got.value) };
    return { read: got.value, again };
  },
};

const bytesOf = (text: string | null): Bytes => (text === null ? null : toBytes(text));

describe.each(golden.vectors)("$reader: $name", (vector) => {
  const { key, value, want, refused, written } = vector;
  const outcome = READERS[vector.reader]?.(bytesOf(key), bytesOf(value));
  test("is read as written down", () => {
    if (refused === undefined) expect(outcome).toMatchObject({ read: want });
    else expect(outcome).toEqual({ refused });
    if (refused === undefined && outcome !== undefined && "read" in outcome) {
      expect<unknown>(outcome.read).toEqual(want);
    }
  });
  if (written !== true || value === null) return;
  test("is written byte for byte", () => {
    expect(outcome).toMatchObject({ again: { key, value } });
  });
});

describe("quarantineHeaders()", () => {
  test("says why and whence, and keeps the record's own headers apart", () => {
    const { refused, headers } = golden.quarantine;
    const error = { code: "value-not-json", detail: refused.error.detail } as const;
    expect(quarantineHeaders({ ...refused, key: null, value: null, error })).toEqual(headers);
  });
  test("is read back", () => {
    const { refused, headers } = golden.quarantine;
    const { topic, partition, offset, error } = refused;
    expect(readQuarantineHeaders(headers)).toEqual({
      ...{ topic, partition, offset },
      ...{ reason: error.code, detail: error.detail },
    });
  });
});
