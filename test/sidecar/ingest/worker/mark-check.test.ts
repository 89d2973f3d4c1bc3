import { describe, expect, test } from "bun:test";
import { addEntry, setEntry, setHashText } from "../../../../shared/protocol/object-hash.ts";
import { openMarkChecks } from "../../../../sidecar/ingest/worker/mark-check.ts";
import {
  beginRecord,
  itemsOf,
  markRecord,
  OTHER_LIFE,
  objectRecord,
  tombstone,
} from "../message.ts";

const hashOf = (uids: readonly string[], phase: string): string => {
  let sum = 0n;
  for (const item of itemsOf(uids.map((uid) => objectRecord(uid, phase)))) {
    if (item.read.ok && item.read.value.type === "object") {
      sum = addEntry(sum, setEntry(item.read.value.uid, item.read.value.record.hash));
    }
  }
  return setHashText(sum);
};

const shown = (records: Parameters<typeof itemsOf>[0]) => {
  const marks = openMarkChecks();
  return itemsOf(records).flatMap(({ read }) => {
    const mark = read.ok ? marks.see(read.value) : undefined;
    return mark === undefined ? [] : [mark.equal];
  });
};

describe("openMarkChecks()", () => {
  const two = { count: 2, hash: hashOf(["u1", "u2"], "a") };
  const one = { count: 1, hash: hashOf(["u1"], "a") };
  const whole = [objectRecord("u1", "a"), objectRecord("u2", "a"), markRecord({}, two)];

  test.each([
    ["agrees with a full pass", whole, [true]],
    ["is not sure of a pass that it saw the end of", whole.slice(1), [undefined]],
    [
      "follows deletions",
      [...whole, tombstone("u2"), markRecord({}, { ...one, full: false })],
      [true, true],
    ],
    ["sees a loss", [...whole, markRecord({}, { ...one, full: false })], [true, false]],
    [
      "drops what another pass has not",
      [...whole, objectRecord("u1", "a", { pass: 2 }), markRecord({ pass: 2 }, one)],
      [true, true],
    ],
    [
      "begins anew with another life",
      [...whole, beginRecord(OTHER_LIFE), markRecord({ life: OTHER_LIFE }, one)],
      [true, undefined],
    ],
  ])("%s", (_what, records, equal) => expect(shown(records)).toEqual(equal));
});
