/** Whose topics they are, and what is said to who may not lead. */
import { describe, expect, test } from "bun:test";
import {
  electionGroup,
  formerGroups,
  identityOf,
  refuseFleet,
} from "../../../../sidecar/control-plane/leader/identity.ts";

const KAFKA = "kafka-id";

describe("refuseFleet()", () => {
  test.each([
    ["nobody led before", "a", [], undefined, false],
    ["the same fleet led", "a", [], "a", false],
    ["another one led", "b", [], "a", true],
    ["a former name led", "b", ["x", "a"], "a", false],
    ["the new name led, and this is the old one", "a", [], "b", true],
    ["another one led, FLEET unset", undefined, [], "a", true],
    ["the default name led, FLEET unset", undefined, [], KAFKA, false],
    ["the default name led, FLEET set", "a", [], KAFKA, true],
    ["the default name led, and is an alias", "a", [KAFKA], KAFKA, false],
  ] as const)("%s", (_name, fleet, aliases, lastFleet, isRefused) => {
    const refusal = refuseFleet(identityOf(fleet, aliases, KAFKA), lastFleet);
    expect(refusal !== undefined).toBe(isRefused);
  });
  test("names both, and what to set", () => {
    const refusal = refuseFleet(identityOf(undefined, undefined, KAFKA), "a");
    expect(refusal).toContain('"a"');
    expect(refusal).toContain(`"${KAFKA}" (FLEET is not set`);
    expect(refusal).toContain("FLEET=a");
    expect(refusal).toContain("FLEET_ALIASES=a");
  });
});

test("electionGroup() is what a version of the default fleet used", () => {
  expect(electionGroup(KAFKA)).toBe("outrider-control-plane-kafka-id");
});

test.each([
  ["FLEET unset: the same group", undefined, [], []],
  ["FLEET set", "north", [], ["north"]],
  ["FLEET set to the cluster id", KAFKA, [], []],
  ["renamed by the upgrade itself: the old name led in its own group", "b", ["a"], ["b", "a"]],
  ["renamed from the default: its group is the same", "b", [KAFKA], ["b"]],
  ["back to the default", undefined, ["a"], ["a"]],
  ["a name twice", "b", ["a", "b", "a"], ["b", "a"]],
] as const)("formerGroups(), %s", (_name, fleet, aliases, groups) => {
  const expected = groups.map((name) => `outrider-control-plane-${name}`);
  expect(formerGroups(identityOf(fleet, aliases, KAFKA), KAFKA)).toEqual(expected);
});
