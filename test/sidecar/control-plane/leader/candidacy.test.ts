/** Who stands for election beside control planes that elected per fleet. */
import { describe, expect, test } from "bun:test";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { createTroubleSpot } from "../../../../sidecar/control-plane/follow/readiness.ts";
import { runCandidacy } from "../../../../sidecar/control-plane/leader/candidacy.ts";
import { identityOf } from "../../../../sidecar/control-plane/leader/identity.ts";
import { until } from "../../../bed/condition.ts";

const KAFKA = "kafka-id";
const groupOf = (name: string) => `outrider-control-plane-${name}`;
const DENIED: KafkaError = {
  ...{ code: "authorization", retry: "terminal", detail: "DESCRIBE on group" },
};

/** Renamed from `a` to `b`; until what it does first is seen. */
async function begin(
  members: Readonly<Record<string, Result<number, KafkaError>>>,
  ready: () => boolean = () => true,
) {
  const end = new AbortController();
  const trouble = createTroubleSpot(() => 0);
  let waiting: string | undefined;
  let joined = 0;
  const running = runCandidacy({
    identity: identityOf("b", ["a"], KAFKA),
    clusterId: KAFKA,
    standby: { ready, lastFleet: () => "a" },
    membersOf: (group) => Promise.resolve(members[group] ?? ok(0)),
    join: () => {
      joined += 1;
      return err({ code: "fenced", retry: "terminal", detail: "joined" });
    },
    trouble,
    waiting: (detail) => {
      waiting = detail;
    },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    history: { hasStood: false },
    beforeLeaving: () => Promise.resolve(),
    signal: end.signal,
  });
  const seen = () => joined > 0 || waiting !== undefined || trouble.present() !== undefined;
  await until("a decision", seen, { deadlineMs: 5_000, intervalMs: 1 });
  end.abort();
  await running;
  return { joined, waiting, trouble: trouble.present()?.detail };
}

describe("a control plane of a fleet that its upgrade renames", () => {
  test("stands for election where nobody is in a former group", async () => {
    expect(await begin({})).toMatchObject({ joined: 1, waiting: undefined });
  });
  test("stands as soon as the ledger has been read", async () => {
    let looks = 0;
    const ready = () => {
      looks += 1;
      return looks > 40;
    };
    expect(await begin({}, ready)).toMatchObject({ joined: 1 });
  });
  test.each(["a", "b"])("stands by while the former group of %s has a member", async (name) => {
    const { joined, waiting } = await begin({ [groupOf(name)]: ok(2) });
    expect(joined).toBe(0);
    expect(waiting).toContain(`${groupOf(name)} has 2 members`);
  });
  test("stands by where one group has a member and another may not be asked", async () => {
    const { joined, waiting } = await begin({ [groupOf("a")]: ok(1), [groupOf("b")]: err(DENIED) });
    expect(joined).toBe(0);
    expect(waiting).toContain(groupOf("a"));
  });
  test.each(["a", "b"])("does not stand where it may not ask the group of %s", async (name) => {
    const { joined, trouble } = await begin({ [groupOf(name)]: err(DENIED) });
    expect(joined).toBe(0);
    expect(trouble).toBe(DENIED.detail);
  });
});
