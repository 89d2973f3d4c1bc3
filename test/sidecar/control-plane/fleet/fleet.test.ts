/** The fold: ledger, registrations, tombstones, beats and silence into clusters. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ClusterStatus, encodeStatus } from "../../../../shared/protocol/ledger.ts";
import type { KeptOffsets } from "../../../../shared/protocol/ledger-facts.ts";
import {
  type Cluster,
  createFleet,
  type Fleet,
  foldBeat,
  foldSilence,
  foldWithdrawn,
} from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { foldLedger, toStatus } from "../../../../sidecar/control-plane/fleet/ledger.ts";
import {
  admit,
  describe as describeText,
} from "../../../../sidecar/control-plane/registry/admission.ts";
import { A, clusterOf, idOf, recordOf, registrationText } from "../sample.ts";

const SEEN = { clock: 0, atMs: 0 };
const AT = { seen: SEEN, nowMs: 1_000 };
const BEAT = { heartbeat: { client_id: A }, skewMs: undefined, atMs: 5_000 };

/** A fleet after these: `r` registration, `t` tombstone, `h` one of the history, `b` beat, `s` stale, `d` dead, `w` gone. */
function fleetAfter(moves: string): Fleet {
  const fleet = createFleet();
  for (const [offset, move] of [...moves].entries()) play(fleet, move, offset);
  return fleet;
}

function play(fleet: Fleet, move: string, offset: number, clientId = A): void {
  const value = { r: undefined, t: null, h: null, g: "not json" }[move];
  const ends = new Map([[0, move === "h" ? offset + 1 : 0]]);
  const at = { ...AT, history: { ends, judged: new Set<number>() }, topicId: "t" };
  if ("rthg".includes(move)) admit(fleet, [recordOf(clientId, offset, value)], at);
  const cluster = fleet.clusters.get(clientId);
  if (move === "b" && cluster !== undefined) foldBeat(cluster, SEEN, BEAT);
  if (move === "w" && cluster?.withdrawal === "pending") foldWithdrawn(cluster, AT);
  if (cluster === undefined || cluster.state === "withdrawn") return;
  if (move === "s" && cluster.state !== "dead") foldSilence(cluster, "stale", AT.nowMs);
  if (move === "d") foldSilence(cluster, "dead", AT.nowMs);
}

describe("the fold", () => {
  type Want = Pick<Cluster, "state" | "reason" | "withdrawal">;
  const of = (
    state: Want["state"],
    reason: Want["reason"],
    withdrawal: Want["withdrawal"] = null,
  ) => ({ state, reason, withdrawal }) satisfies Want;
  const cases: readonly [string, string, Want | undefined][] = [
    ["a beat of nobody makes no state", "b", undefined],
    ["garbage of nobody makes no state", "g", undefined],
    ["a registration", "r", of("registered", "registration")],
    ["a first beat", "rb", of("active", "heartbeat")],
    ["garbage behind a registration changes nothing", "rbg", of("active", "heartbeat")],
    ["a re-registration keeps an active state", "rbr", of("active", "heartbeat")],
    ["silence", "rbs", of("stale", "silent")],
    ["silence of one that never beat", "rs", of("stale", "never-heard")],
    ["a beat ends silence", "rbsb", of("active", "heartbeat")],
    ["long silence", "rbsd", of("dead", "silent")],
    ["a beat wakes the dead", "rbsdb", of("active", "heartbeat")],
    ["a registration wakes the dead", "rbsdr", of("registered", "registration")],
    ["a registration ends staleness", "rbsr", of("registered", "registration")],
    ["a tombstone", "rbt", of("withdrawn", "tombstone", "pending")],
    [
      "a tombstone of nobody still has a group to delete",
      "t",
      of("withdrawn", "tombstone", "pending"),
    ],
    ["a beat behind a tombstone makes no state", "rtb", of("withdrawn", "tombstone", "pending")],
    ["worker and group are gone", "rtw", of("withdrawn", "tombstone", "done")],
    ["a beat of the withdrawn makes no state", "rtwb", of("withdrawn", "tombstone", "done")],
    [
      "a registration waits for a pending withdrawal",
      "rtr",
      of("withdrawn", "tombstone", "pending"),
    ],
    ["a beat does not shorten that", "rtrb", of("withdrawn", "tombstone", "pending")],
    ["and goes on when it is done", "rtrw", of("registered", "registration")],
    ["a registration after withdrawal", "rtwr", of("registered", "registration")],
    ["one whose group is kept leaves nothing to wait for", "hr", of("registered", "registration")],
    ["that, done", "hwr", of("registered", "registration")],
    ["a second tombstone while pending", "rtrtw", of("withdrawn", "tombstone", "done")],
    [
      "a tombstone of the withdrawn is carried out again",
      "rtwt",
      of("withdrawn", "tombstone", "pending"),
    ],
  ];
  test.each(cases)("%s: %s", (_name, moves, want) => {
    const cluster = fleetAfter(moves).clusters.get(A);
    if (want === undefined) expect(cluster).toBeUndefined();
    else expect(cluster).toMatchObject(want);
  });

  test("`since` moves with the state alone", () => {
    const fleet = fleetAfter("r");
    play(fleet, "b", 1);
    const cluster = fleet.clusters.get(A);
    if (cluster !== undefined) foldBeat(cluster, SEEN, { ...BEAT, atMs: 6_000 });
    expect(cluster?.sinceMs).toBe(5_000);
  });
  test("a beat takes back an operator's release, a registration too", () => {
    for (const move of ["b", "r"]) {
      const fleet = fleetAfter("rb");
      const cluster = fleet.clusters.get(A);
      if (cluster !== undefined) cluster.released = true;
      play(fleet, move, 9);
      expect(cluster?.released).toBe(false);
    }
  });
  test("an empty cluster_name is shown as the client id", () => {
    const fleet = createFleet();
    admit(fleet, [recordOf(A, 1, registrationText(A, { cluster_name: "" }))], AT);
    expect(fleet.clusters.get(A)?.clusterName).toBe(A);
  });
});

const statusOf = (changes: Partial<ClusterStatus>): ClusterStatus => ({
  ...toStatus(clusterOf(), 5),
  ...changes,
});
const fold = (fleet: Fleet, status: ClusterStatus) =>
  foldLedger(fleet, { kind: "status", status }, describeText);

describe("toStatus()", () => {
  test("does not write that a group had committed nothing, but the other facts", () => {
    const readAt = "2026-01-01T00:00:00.000Z";
    const stray = { since: readAt, members: [] };
    const written = (topics: KeptOffsets["topics"]): string => {
      const facts = { stray, offsets: { read_at: readAt, topics } };
      return encodeStatus(toStatus(clusterOf({ state: "dead", facts }), 5));
    };
    expect(written([])).toContain('"stray"');
    expect(written([])).not.toContain('"offsets"');
    const topics = [{ topic: "cluster-info", topic_id: "t", partitions: [] }];
    expect(written(topics)).toContain('"offsets"');
  });

  const worker = { runtime: "process", instance: "i", spec_hash: "s", restarts: 0 } as const;
  test.each([
    [true, { ...worker, state: "running" }, "done"],
    [true, { ...worker, state: "blocked" }, "pending"],
    [true, null, "pending"],
    [false, { ...worker, state: "running" }, "pending"],
  ] as const)("pending, group kept %p: a rollback finds no order to delete it", (...given) => {
    const [groupKept, running, want] = given;
    const withdrawn = { state: "withdrawn", withdrawal: "pending", groupKept } as const;
    expect(toStatus(clusterOf({ ...withdrawn, worker: running }), 5).withdrawal).toBe(want);
  });
});

describe("how rarely a cluster beats", () => {
  const withdrawn = { state: "withdrawn", withdrawal: "pending", intervalSeconds: 600 } as const;
  const facts = { heartbeat_interval_seconds: 600 };
  const registry = { partition: 0, offset: 1, value: null, headers: {} };
  test("is known to the next leader, although history's tombstone took its registration's place", () => {
    const fleet = createFleet();
    fold(fleet, toStatus(clusterOf({ ...withdrawn, groupKept: true, facts, registry }), 5));
    expect(fleet.clusters.get(A)).toMatchObject({ intervalSeconds: 600, facts });
  });
  test("is what a new registration says, and the ledger forgets the older word", () => {
    const fleet = createFleet();
    const cluster = clusterOf({ ...withdrawn, groupKept: true, facts, registry });
    fleet.clusters.set(A, cluster);
    play(fleet, "r", 2, A);
    expect(cluster).toMatchObject({ intervalSeconds: undefined, facts: undefined });
  });
});

describe("foldLedger()", () => {
  test.each([
    [4, "older", "active"],
    [5, "folded", "dead"],
    [6, "folded", "dead"],
  ] as const)("a record of epoch %d after one of epoch 5 is %s", (epoch, want, state) => {
    const fleet = createFleet();
    fold(fleet, statusOf({}));
    expect(fold(fleet, statusOf({ epoch, state: "dead" }))).toBe(want);
    expect(fleet.clusters.get(A)?.state).toBe(state);
    expect(fleet.epoch).toBe(Math.max(5, epoch));
  });
  test.each([
    [4, "older", 10],
    [5, "folded", 3],
  ] as const)("an applied record of epoch %d after one of epoch 5 is %s", (epoch, want, offset) => {
    const fleet = createFleet();
    const of = (at: number, next: number) =>
      foldLedger(
        fleet,
        { kind: "applied", partition: 0, applied: { topic_id: "t", offset: next, epoch: at } },
        describeText,
      );
    of(5, 10);
    expect(of(epoch, 3)).toBe(want);
    expect(fleet.applied.get(0)?.offset).toBe(offset);
  });
  test("a lower epoch of another cluster is that cluster's latest word", () => {
    const fleet = createFleet();
    fold(fleet, statusOf({ epoch: 9 }));
    expect(fold(fleet, statusOf({ client_id: idOf("other"), epoch: 2 }))).toBe("folded");
    expect(fleet.epoch).toBe(9);
  });
  test("a time that is none is the beginning of time, not an error", () => {
    const fleet = createFleet();
    fold(fleet, statusOf({ since: "yesterday" }));
    const cluster = fleet.clusters.get(A);
    expect(cluster && toStatus(cluster, 1).since).toBe("1970-01-01T00:00:00.000Z");
  });
});

describe("fold properties", () => {
  const ids = ["a", "b", "c"].map(idOf);
  const movesOf = (letters: string) =>
    fc.array(fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...letters)), { maxLength: 60 });
  const moves = movesOf("rtgbsdw");
  const played = (list: readonly (readonly [(typeof ids)[number], string])[]): Fleet => {
    const fleet = createFleet();
    for (const [offset, [clientId, what]] of list.entries()) play(fleet, what, offset, clientId);
    return fleet;
  };
  /** Without what only a leader remembers. */
  const lasting = (fleet: Fleet) =>
    [...fleet.clusters.values()].map((cluster) => ({
      ...cluster,
      ...{ seen: SEEN, due: undefined, returned: undefined, beat: undefined },
      ...{ beaten: false, released: false },
    }));

  test("the fold of the ledger that a fleet writes is that fleet", () => {
    fc.assert(
      fc.property(movesOf("rthgbsdw"), (list) => {
        const fleet = played(list);
        const again = createFleet();
        for (const cluster of fleet.clusters.values()) {
          cluster.epoch = 7;
          fold(again, toStatus(cluster, 7));
        }
        expect(lasting(again)).toEqual(lasting(fleet));
      }),
    );
  });
  test("records that are refused change nothing, wherever they stand", () => {
    fc.assert(
      fc.property(moves, (list) => {
        const offsets = list.map(([, what], offset) => [what, offset] as const);
        const clean = createFleet();
        offsets.forEach(([what, offset], index) => {
          if (what !== "g") play(clean, what, offset, list[index]?.[0]);
        });
        expect(lasting(played(list))).toEqual(lasting(clean));
      }),
    );
  });
  test("pending comes from a tombstone alone and ends when worker and group are gone alone", () => {
    fc.assert(
      fc.property(moves, (list) => {
        const fleet = createFleet();
        const pending = new Set<string>();
        list.forEach(([clientId, what], offset) => {
          play(fleet, what, offset, clientId);
          if (what === "t") pending.add(clientId);
          if (what === "w") pending.delete(clientId);
          const cluster = fleet.clusters.get(clientId);
          expect(cluster?.withdrawal === "pending").toBe(pending.has(clientId));
          // Whoever is withdrawn by the registry is withdrawn by state, and whoever is pending too.
          if (cluster !== undefined) {
            const withdrawn = cluster.registry.value === null || cluster.withdrawal === "pending";
            expect(cluster.state === "withdrawn").toBe(withdrawn);
          }
        });
      }),
    );
  });
});
