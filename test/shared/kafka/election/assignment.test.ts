import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  assigns,
  chooseOwner,
  decodeUserData,
  encodeAssignment,
  encodeSubscription,
} from "../../../../shared/kafka/election/assignment.ts";

describe("chooseOwner()", () => {
  test.each([
    [
      "the lowest epoch, as a number",
      [
        ["a", ""],
        ["b", "10"],
        ["c", "9"],
      ],
      "c",
    ],
    [
      "whoever leads over a standby",
      [
        ["a", ""],
        ["z", "900"],
      ],
      "z",
    ],
    [
      "the first by member id when none leads",
      [
        ["b", ""],
        ["a", ""],
      ],
      "a",
    ],
    [
      "nobody it cannot read as a leader",
      [
        ["a", "nonsense"],
        ["b", "3"],
      ],
      "b",
    ],
  ])("prefers %s", (_what, members, owner) => {
    const candidates = members.map(([memberId = "", standing = ""]) => ({ memberId, standing }));
    expect(chooseOwner(candidates)).toBe(owner);
    expect(chooseOwner(candidates.toReversed())).toBe(owner);
  });

  test("has no owner without members", () => {
    expect(chooseOwner([])).toBeUndefined();
  });
});

describe("the consumer protocol", () => {
  test("carries the standing and the assignment", () => {
    expect(decodeUserData(encodeSubscription("t", "17"))).toBe("17");
    expect(assigns(encodeAssignment("t", [0]), "t", 0)).toBe(true);
    expect(assigns(encodeAssignment("t", []), "t", 0)).toBe(false);
    expect(assigns(encodeAssignment("u", [0]), "t", 0)).toBe(false);
  });

  test("has the bytes of Kafka's own consumer", () => {
    // version 0, one topic "t", user data
    expect(encodeSubscription("t", "1").toString("hex")).toBe("0000000000010001740000000131");
    // version 0, topic "t" with partition 0, empty user data
    expect(encodeAssignment("t", [0]).toString("hex")).toBe(
      "000000000001000174000000010000000000000000",
    );
  });

  test("bears foreign bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        decodeUserData(Buffer.from(bytes));
        assigns(Buffer.from(bytes), "t", 0);
      }),
    );
  });
});
