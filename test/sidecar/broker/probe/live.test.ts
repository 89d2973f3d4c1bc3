/** From any snapshot at all: liveness fails only for a local broker that is silent, closed or gone, and never for a fault of ours. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { evaluate } from "../../../../sidecar/broker/check/evaluate.ts";
import { passGate } from "../../../../sidecar/broker/probe/gates.ts";
import type {
  BrokerSnapshot,
  KafkaProcess,
  ListenerAnswer,
} from "../../../../sidecar/broker/snapshot.ts";
import {
  absent,
  failed,
  metadataOf,
  partition,
  quorum,
  readIn,
  replica,
  SETTINGS,
  snapshot,
} from "../snapshot-sample.ts";

/** Whatever the others do: beyond the last turn of the brake. */
const LONG = { forMs: 4 * SETTINGS.livenessBrakeMs, isShared: true, peers: undefined };

const ms = fc.integer({ min: 0, max: 10_000 });
const detail = fc.constant("detail");
const UNTOLD = ["refused-us", "throttled", "closed", "cut", "not-asked"] as const;
const answers: fc.Arbitrary<ListenerAnswer> = fc.oneof(
  fc.record({ kind: fc.constant("answered" as const), durationMs: ms }),
  fc.record({
    kind: fc.constantFrom(...UNTOLD),
    detail,
    durationMs: ms,
  }),
  fc.record({
    ...{ kind: fc.constant("silent" as const), connected: fc.boolean() },
    ...{ detail, durationMs: ms },
  }),
);
const processes: fc.Arbitrary<KafkaProcess> = fc.oneof(
  fc.constant({ kind: "gone" as const }),
  fc.record({ kind: fc.constant("hidden" as const), reason: detail }),
  fc.record({
    ...{ kind: fc.constant("running" as const), pid: fc.integer({ min: 1, max: 2 }), ageMs: ms },
    hasAnswered: fc.boolean(),
    ioBytes: fc.oneof(fc.constant(undefined), fc.nat()),
  }),
);
const metadatas = fc.constantFrom(
  snapshot().metadata,
  failed("no answer"),
  absent("none here"),
  metadataOf({}, []).metadata,
  metadataOf({ a: [partition(0, [0, 1], [1], -1)] }).metadata,
);
const quorums = fc.constantFrom(
  snapshot().quorum,
  failed("no leader"),
  absent("an old broker"),
  readIn(quorum([replica(0, null)], { leaderId: -1 })),
);
const peers = fc.option(
  fc.record({ known: fc.nat(9), asked: fc.nat(9), answered: fc.nat(9), untaken: fc.nat(9) }),
  {
    nil: undefined,
  },
);
const silences = fc.option(fc.record({ forMs: ms, isShared: fc.boolean(), peers }), {
  nil: undefined,
});
const identities = fc.constantFrom<BrokerSnapshot["identity"]>(
  { kind: "same", how: "by its own settings" },
  { kind: "other", nodeId: 3, how: "by its own settings" },
  { kind: "unproven", isFinal: true, detail: "refused" },
  { kind: "unproven", isFinal: false, detail: "not yet" },
);
const snapshots: fc.Arbitrary<BrokerSnapshot> = fc.record({
  ...{ brokerId: fc.nat(7), role: fc.constantFrom("broker" as const, "controller" as const) },
  ...{ answer: answers, process: processes, metadata: metadatas, quorum: quorums, lagMs: ms },
  ...{ silence: silences, identity: identities },
  logDirs: fc.constantFrom(
    snapshot().logDirs,
    failed("no answer"),
    absent("none here"),
    readIn([]),
  ),
  hasStarted: fc.boolean(),
  backlog: fc.option(
    fc.record({
      ...{ pid: fc.constant(1), atMs: fc.nat(99), waiting: fc.nat(3) },
      ...{ served: fc.nat(3), unread: fc.nat(3), cpuTicks: fc.nat(3) },
    }),
    { nil: undefined },
  ),
  portHolder: fc.constantFrom(undefined, "kafka", "somebody", "nobody"),
  listensAt: fc.constant([]),
  ...{
    minInsyncTrouble: fc.constant(undefined),
    hidden: fc.constantFrom(undefined, { replicas: 2, reason: "not shown" }),
  },
  adding: fc.constantFrom<ReadonlySet<string>>(new Set(), new Set(["orders-1"])),
  minInsyncReplicas: fc.constantFrom(snapshot().minInsyncReplicas, failed("refused")),
});

const isLive = (seen: BrokerSnapshot, before?: BrokerSnapshot): boolean => {
  const { verdicts } = evaluate(seen, SETTINGS, before);
  return passGate("live", verdicts, { liveness: "local", futureReplicas: "warn" }).healthy;
};

test("liveness fails only when the local broker is silent, closed or gone", () => {
  fc.assert(
    fc.property(snapshots, fc.option(snapshots, { nil: undefined }), (seen, before) => {
      const { answer, process } = seen;
      const isGone = answer.kind === "cut" && process.kind === "gone";
      const mayFail = answer.kind === "silent" || answer.kind === "closed" || isGone;
      if (!mayFail) expect(isLive(seen, before)).toBe(true);
    }),
  );
});

test("liveness fails for one that has answered since its start and does not any more", () => {
  fc.assert(
    fc.property(snapshots, (seen) => {
      const kafka = { kind: "running" as const, pid: 1, ageMs: 1, hasAnswered: true, ioBytes: 1 };
      const blind = { ...seen, portHolder: "nobody" as const, backlog: undefined };
      const down = { ...blind, process: kafka, lagMs: 0, silence: LONG };
      expect(isLive({ ...down, answer: { kind: "closed", detail: "", durationMs: 1 } })).toBe(
        false,
      );
      expect(
        isLive({ ...down, answer: { kind: "silent", connected: true, detail: "", durationMs: 1 } }),
      ).toBe(false);
    }),
  );
});

test("the brake holds back nothing but silence", () => {
  fc.assert(
    fc.property(snapshots, silences, (seen, silence) => {
      const same = seen.answer.kind === "silent" && seen.process.kind !== "gone";
      const braked = isLive({ ...seen, silence });
      const alone = silence && { ...silence, isShared: false };
      const free = isLive({ ...seen, silence: alone });
      expect(braked === free || (same && braked)).toBe(true);
    }),
  );
});

test("liveness passes for a closed listener while Kafka's process is hidden", () => {
  fc.assert(
    fc.property(snapshots, fc.option(snapshots, { nil: undefined }), (seen, before) => {
      const process = { kind: "hidden" as const, reason: "detail" };
      const answer = { kind: "closed" as const, detail: "", durationMs: 1 };
      expect(isLive({ ...seen, process, answer }, before)).toBe(true);
    }),
  );
});

test("nothing but answer, process, our own lag and the brake's grounds changes it", () => {
  fc.assert(
    fc.property(snapshots, snapshots, (one, other) => {
      const { answer, process, lagMs, silence, brokerId, portHolder, backlog } = one;
      const same = { answer, process, lagMs, silence, brokerId, portHolder, backlog };
      expect(isLive({ ...other, ...same })).toBe(isLive(one));
    }),
  );
});

test("judge() gives one verdict of each check, in order, whatever it is given", () => {
  fc.assert(
    fc.property(snapshots, fc.option(snapshots, { nil: undefined }), (seen, before) => {
      const { verdicts } = evaluate(seen, SETTINGS, before);
      for (const { reason } of verdicts) expect(reason.length).toBeGreaterThan(0);
      expect(verdicts.map(({ check }) => check)).toEqual(
        evaluate(snapshot(), SETTINGS).verdicts.map(({ check }) => check),
      );
    }),
  );
});
