/** In which order registry records are judged. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { keyText } from "../../../../shared/protocol/json.ts";
import { createFleet } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { admit } from "../../../../sidecar/control-plane/registry/admission.ts";
import { inOrder, type RegistryRecord } from "../../../../sidecar/control-plane/registry/order.ts";
import { A, recordOf } from "../sample.ts";

const CREATE = { timestampType: "create" } as const;
/** `partition`, `offset`, registration (`r`), tombstone (`t`) or garbage (`g`), and time. */
const at = (
  partition: number,
  offset: number,
  what: "r" | "t" | "g",
  timestampMs = 0,
  more: Partial<RegistryRecord> = {},
) => {
  const value = { r: undefined, t: null, g: "not json" }[what];
  return recordOf(A, offset, value, { partition, timestampMs, ...more });
};
const placesOf = (records: readonly RegistryRecord[]) =>
  records.map(({ partition, offset }) => `${partition}/${offset}`);

describe("inOrder()", () => {
  const cases: readonly {
    name: string;
    records: readonly RegistryRecord[];
    want: readonly string[];
    conflict?: boolean;
  }[] = [
    { name: "nothing", records: [], want: [] },
    {
      name: "one partition by offset, whatever its times say",
      records: [at(0, 1, "r", 9), at(0, 2, "t", 1), at(0, 3, "r", 5, CREATE)],
      want: ["0/1", "0/2", "0/3"],
    },
    {
      name: "two partitions by the broker's time",
      records: [at(0, 1, "t", 20), at(1, 1, "r", 10), at(1, 2, "r", 30)],
      want: ["1/1", "0/1", "1/2"],
    },
    {
      name: "equal times by partition and offset",
      records: [at(1, 2, "r", 5), at(1, 1, "r", 5), at(0, 9, "t", 5)],
      want: ["0/9", "1/1", "1/2"],
    },
    {
      name: "by CreateTime the registration last, as a conflict",
      records: [at(0, 1, "r", 1, CREATE), at(1, 1, "t", 9, CREATE)],
      want: ["1/1", "0/1"],
      conflict: true,
    },
    {
      name: "one CreateTime among them is enough",
      records: [at(0, 1, "r", 1, CREATE), at(1, 1, "t", 9)],
      want: ["1/1", "0/1"],
      conflict: true,
    },
    {
      name: "by CreateTime two registrations without a conflict",
      records: [at(1, 1, "r", 1, CREATE), at(0, 5, "t", 1, CREATE), at(0, 6, "r", 1, CREATE)],
      want: ["0/5", "0/6", "1/1"],
    },
  ];
  test.each([...cases])("orders $name", ({ records, want, conflict = false }) => {
    const got = inOrder(records);
    expect(placesOf(got.records)).toEqual([...want]);
    expect([...got.conflicts]).toEqual(conflict ? [A] : []);
  });

  const record = fc
    .record({
      key: fc.constantFrom("a", "b", "c"),
      partition: fc.nat(2),
      offset: fc.nat(20),
      value: fc.constantFrom(undefined, null, "garbage"),
      timestampMs: fc.nat(9),
      timestampType: fc.constantFrom("append" as const, "create" as const),
    })
    .map(({ key, offset, value, ...more }) => recordOf(key, offset, value, more));
  const unique = fc.uniqueArray(record, {
    selector: ({ partition, offset }) => `${partition}/${offset}`,
  });

  test("loses and invents no record, and keeps keys of one partition as they were read", () => {
    fc.assert(
      fc.property(unique, (records) => {
        const got = inOrder(records).records;
        expect(new Set(got)).toEqual(new Set(records));
        expect(got.length).toBe(records.length);
        for (const [, group] of Map.groupBy(records, ({ key }) => keyText(key))) {
          if (new Set(group.map(({ partition }) => partition)).size > 1) continue;
          expect(got.filter((one) => group.includes(one))).toEqual(group);
        }
      }),
    );
  });
});

describe("inOrder() and judge()", () => {
  const stateOf = (records: readonly RegistryRecord[]) => {
    const fleet = createFleet();
    admit(fleet, records, { seen: { clock: 0, atMs: 0 }, nowMs: 0 });
    return fleet.clusters.get(A)?.registry.value === null ? "withdrawn" : "registered";
  };
  test("by CreateTime a registration has the last word", () => {
    expect(stateOf([at(0, 1, "r", 1, CREATE), at(1, 1, "t", 9, CREATE)])).toBe("registered");
  });
  test("garbage behind a tombstone does not make it the last word", () => {
    const records = [at(0, 1, "r", 0, CREATE), at(1, 1, "t", 0, CREATE), at(1, 2, "g", 0, CREATE)];
    expect(stateOf(records)).toBe("registered");
  });
  test("by the broker's time, too, one partition's records keep their offset order", () => {
    // The leadership of partition 1 moved to a broker whose clock is behind.
    const records = [at(0, 1, "r", 5), at(1, 1, "r", 20), at(1, 2, "t", 10)];
    expect(stateOf(records)).toBe("withdrawn");
  });
});
