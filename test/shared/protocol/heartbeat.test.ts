import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as v from "valibot";
import { ClientId } from "../../../shared/protocol/client-id.ts";
import { readHeartbeat } from "../../../shared/protocol/heartbeat.ts";

const shown = <T>(schema: v.GenericSchema<unknown, T>) => v.fallback(v.optional(schema), undefined);
const text = (max: number) => shown(v.pipe(v.string(), v.maxLength(max)));
const count = shown(v.pipe(v.number(), v.finite(), v.minValue(0)));

/** What the hand-written reader must equal. */
const Schema = v.object({
  client_id: ClientId,
  timestamp: text(64),
  status: text(64),
  reason: text(512),
  metrics: shown(v.object({ resources_sent: count, uptime_seconds: count })),
  sequence: count,
  instance_id: text(128),
  ask: shown(v.boolean()),
});

const value = fc.oneof(
  fc.jsonValue(),
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.nat({ max: 600 }).map((length) => "x".repeat(length)),
  fc.record({ resources_sent: fc.jsonValue(), uptime_seconds: fc.double() }, { requiredKeys: [] }),
);
const names = [
  "timestamp",
  "status",
  "reason",
  "metrics",
  "sequence",
  "instance_id",
  "ask",
  "other",
];
const beat = fc
  .tuple(
    fc.oneof(fc.constantFrom("af-10", "a", "-a", "A", "x".repeat(64)), value),
    fc.dictionary(fc.constantFrom(...names), value),
  )
  .map(([clientId, fields]) => ({ client_id: clientId, ...fields }));

const A = v.parse(ClientId, "somebody-else");

describe("readHeartbeat()", () => {
  test("reads any JSON as its schema does", () => {
    fc.assert(
      fc.property(fc.oneof(beat, value), (json) => {
        const want = v.safeParse(Schema, json);
        const own = want.success ? want.output.client_id : A;
        expect(readHeartbeat(json, own)).toEqual(want.success ? want.output : undefined);
      }),
      { numRuns: 2_000 },
    );
  });
});
