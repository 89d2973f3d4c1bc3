import { describe, expect, test } from "bun:test";
import { stepsOf } from "../../../../sidecar/ingest/plan/steps.ts";
import {
  beginRecord,
  CLIENT,
  itemsOf,
  LIFE,
  markRecord,
  OTHER_LIFE,
  objectRecord,
  scopeRecord,
  tombstone,
} from "../message.ts";

const shape = (records: Parameters<typeof itemsOf>[0], life?: string) => {
  const known = new Map(life === undefined ? [] : [[String(CLIENT), life]]);
  const { steps, lives, foreign, deadLetters } = stepsOf(itemsOf(records), known);
  return {
    steps: steps.map((step) =>
      step.type === "rows" ? step.versions.map(({ uid }) => uid).join() : step.type,
    ),
    lives: lives.map((each) => each.life),
    foreign: foreign.map(({ life: of, count }) => [of, count]),
    dead: deadLetters.length,
  };
};

describe("stepsOf()", () => {
  test("keeps rows together up to a mark or a scope, which speak of all before them", () => {
    const records = [
      ...[objectRecord("u1", "a"), tombstone("u2"), markRecord(), objectRecord("u3", "a")],
      ...[scopeRecord(LIFE), objectRecord("u4", "a")],
    ];
    const steps = ["u1,u2", "mark", "u3", "scope", "u4"];
    expect(shape(records, LIFE)).toEqual({ steps, lives: [], foreign: [], dead: 0 });
  });

  test("counts records of another life, and takes none of them", () => {
    const records = [
      ...[objectRecord("u1", "a", { life: OTHER_LIFE }), tombstone("u1", { life: OTHER_LIFE })],
      ...[markRecord({ life: OTHER_LIFE }), scopeRecord(OTHER_LIFE), objectRecord("u2", "a")],
    ];
    expect(shape(records, LIFE)).toEqual({
      ...{ steps: ["u2"], lives: [], foreign: [[OTHER_LIFE, 4]], dead: 0 },
    });
  });

  test("takes a new life from its beginning on, once", () => {
    const records = [
      ...[objectRecord("u1", "a"), beginRecord(OTHER_LIFE), objectRecord("u2", "a")],
      ...[objectRecord("u3", "a", { life: OTHER_LIFE }), beginRecord(OTHER_LIFE)],
    ];
    expect(shape(records, LIFE)).toEqual({
      ...{ steps: ["u1,u3"], lives: [OTHER_LIFE], foreign: [[LIFE, 1]], dead: 0 },
    });
  });

  test("takes the first life it sees of a cluster whose beginning is gone", () => {
    expect(shape([objectRecord("u1", "a")])).toMatchObject({ steps: ["u1"], lives: [LIFE] });
  });

  test("takes a tombstone that names no life in any", () => {
    const operators = { ...tombstone("u1"), headers: {} };
    expect(shape([operators], OTHER_LIFE)).toMatchObject({ steps: ["u1"], foreign: [] });
  });

  test("sets aside what says nothing", () => {
    const wrong = { key: "no/such/thing/here", value: "{}", headers: {} };
    expect(shape([wrong, objectRecord("u1", "a")], LIFE)).toMatchObject({ steps: ["u1"], dead: 1 });
  });
});
