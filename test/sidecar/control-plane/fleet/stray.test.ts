/** Who is in a group that should be empty, and whether it is still there later. */
import { describe, expect, test } from "bun:test";
import { strayLives, strayOf, strayText } from "../../../../sidecar/control-plane/fleet/stray.ts";

const member = (memberId: string, clientId = "console", host = "/10.0.0.3") => ({
  memberId,
  clientId,
  host,
});
const OURS = member("w-1", "worker", "/10.0.0.9");
const KNOWN = strayOf([member("m-1")], undefined, 0);

describe("strayOf()", () => {
  test("keeps when it was found first, and who is there now", () => {
    const later = strayOf([member("m-2")], KNOWN, 60_000);
    expect(later.since).toBe("1970-01-01T00:00:00.000Z");
    expect(later.members).toEqual([{ member_id: "m-2", client_id: "console", host: "/10.0.0.3" }]);
  });
  test.each([
    ["could not be asked for", undefined],
    ["are not named by Kafka", []],
  ])("keeps the known ones where they %s", (_, members) => {
    expect(strayOf(members, KNOWN, 60_000)).toEqual(KNOWN);
    expect(strayOf(members, undefined, 0).members).toEqual([]);
  });
  test("has a bound, in number and length", () => {
    const many = Array.from({ length: 9 }, () => member("m".repeat(201)));
    const { members } = strayOf(many, undefined, 0);
    expect(members).toHaveLength(8);
    expect(members[0]?.member_id).toHaveLength(200);
  });
});

describe("strayLives()", () => {
  test.each([
    ["is there still, alone", [member("m-1")], true],
    ["is there still, beside the worker", [OURS, member("m-1")], true],
    ["was started again beside the worker: another member id", [OURS, member("m-2")], true],
    ["is gone; the worker is alone", [OURS], false],
    ["is gone; the worker is alone, and has the same name and address", [member("w-1")], false],
    ["is gone; nobody is there", [], false],
    [
      "is gone; another one of another name is beside the worker",
      [OURS, member("m-9", "x")],
      false,
    ],
  ])("the one that was found %s", (_, present, lives) => {
    expect(strayLives(KNOWN, present)).toBe(lives);
  });
});

test.each([
  ["somebody is there", [OURS], true],
  ["nobody is there", [], false],
])("strayLives(), of one that was never named: %s", (_, present, lives) => {
  expect(strayLives(strayOf(undefined, undefined, 0), present)).toBe(lives);
});

test("strayText() names client and address, or says that Kafka does not", () => {
  expect(strayText("kg-builder-a", KNOWN)).toContain('client "console" at /10.0.0.3');
  expect(strayText("kg-builder-a", { members: [] })).toContain("that Kafka does not name");
});
