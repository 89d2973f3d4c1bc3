/** What stopping this broker would take: rows one by one, and a naive model of partitions on random ones. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { CheckStatus } from "../../../../sidecar/broker/check/check.ts";
import {
  partitionRisk,
  quorumRisk,
  RISK_ROWS_MAX,
} from "../../../../sidecar/broker/check/restart-risk.ts";
import { checkRestartSafe, restartRisk } from "../../../../sidecar/broker/check/restart-safe.ts";
import type { BrokerSnapshot } from "../../../../sidecar/broker/snapshot.ts";
import {
  absent,
  cluster,
  failed,
  metadataOf,
  partition,
  quorum,
  readIn,
  replica,
  said,
  snapshot,
} from "../snapshot-sample.ts";

const judgeRestart = (changed: Partial<BrokerSnapshot>) => {
  const seen = snapshot(changed);
  return checkRestartSafe(seen, restartRisk(seen));
};

const QUORUM = "2 of the other voters caught up, 2 needed";
const mins = (entries: Readonly<Record<string, number>>) => ({
  minInsyncReplicas: readIn(new Map(Object.entries(entries))),
});
const voters = (...all: ReturnType<typeof replica>[]) => ({ quorum: readIn(quorum(all)) });

type Row = {
  readonly when: string;
  readonly of: Partial<BrokerSnapshot>;
  readonly want: readonly [CheckStatus, string];
};
const rows: readonly Row[] = [
  {
    when: "replicas of topics that are hidden from us make it unknown",
    of: { hidden: { replicas: 1, reason: "1 replica here is not shown" } },
    want: ["unknown", "1 replica here is not shown"],
  },
  {
    when: "Kafka's words are kept for a minimum that it refused",
    of: {
      ...metadataOf({ a: [partition(0, [0, 1, 2], [0, 1])], b: [partition(0, [0, 1], [0, 1])] }),
      ...mins({ b: 1 }),
      minInsyncTrouble: "Kafka answered TOPIC_AUTHORIZATION_FAILED",
    },
    want: [
      "unknown",
      "min.insync.replicas of 1 topic (a) could not be read: Kafka answered TOPIC_AUTHORIZATION_FAILED",
    ],
  },
  {
    when: "enough others pass",
    of: {},
    want: ["pass", `3 replicas here, enough others in sync; ${QUORUM}`],
  },
  {
    when: "a partition at its minimum fails, and says whom it waits for",
    of: { ...metadataOf({ a: [partition(0, [0, 1, 2], [0, 1])] }), ...mins({ a: 2 }) },
    want: ["fail", "1 partition would be under min.insync.replicas: a-0; waiting for broker 2"],
  },
  {
    when: "a replica that is catching up on a partition under its minimum fails too",
    of: { ...metadataOf({ a: [partition(0, [0, 1, 2], [1], 1)] }), ...mins({ a: 2 }) },
    want: ["fail", "1 partition would be under min.insync.replicas: a-0; waiting for broker 2"],
  },
  {
    when: "partitions that could never be safe are named and hold nothing up",
    of: {
      ...metadataOf({ one: [partition(0, [0], [0])], two: [partition(3, [0, 1], [0, 1])] }),
      ...mins({ one: 1, two: 2 }),
    },
    want: [
      "pass",
      `2 replicas here, enough others in sync; too few replicas ever to be safe: 2 partitions (one-0, two-3); ${QUORUM}`,
    ],
  },
  {
    when: "the last in sync is waited for even there",
    of: { ...metadataOf({ two: [partition(3, [0, 1], [0])] }), ...mins({ two: 2 }) },
    want: ["fail", "1 partition would be under min.insync.replicas: two-3; waiting for broker 1"],
  },
  {
    when: "a minimum that is not known and would decide is unknown",
    of: {
      ...metadataOf({ a: [partition(0, [0, 1, 2], [0, 1])] }),
      minInsyncReplicas: failed("DescribeConfigs: refused", "authorization"),
    },
    want: [
      "unknown",
      "min.insync.replicas of 1 topic (a) could not be read: DescribeConfigs: refused",
    ],
  },
  {
    when: "a minimum that is not known does not matter where all are in sync",
    of: { minInsyncReplicas: failed("DescribeConfigs: refused", "authorization") },
    want: ["pass", `3 replicas here, enough others in sync; ${QUORUM}`],
  },
  {
    when: "a quorum that would lose its majority fails",
    of: voters(replica(0), replica(1), replica(2, 2001)),
    want: [
      "fail",
      "the quorum of 3 would lose its majority: 1 of the other voters caught up, 2 needed; behind: 2",
    ],
  },
  {
    when: "the only voter passes, for waiting cannot help",
    of: { quorum: readIn(quorum([replica(0)], { leaderId: 0 })) },
    want: [
      "pass",
      "3 replicas here, enough others in sync; 0 of the other voters caught up, 0 needed",
    ],
  },
  {
    when: "one of two voters waits for the other",
    of: { quorum: readIn(quorum([replica(0), replica(1, 9000)], { leaderId: 0 })) },
    want: [
      "fail",
      "the quorum of 2 would lose its majority: 0 of the other voters caught up, 1 needed; behind: 1",
    ],
  },
  {
    when: "a broker that does not vote takes nothing from the quorum",
    of: { quorum: readIn(quorum([replica(1), replica(2, 9000), replica(3, 9000)])) },
    want: ["pass", "3 replicas here, enough others in sync"],
  },
  {
    when: "unread metadata is unknown",
    of: { metadata: failed("no answer") },
    want: ["unknown", "no answer"],
  },
  {
    when: "an unread quorum is unknown",
    of: { quorum: failed("no leader") },
    want: ["unknown", "no leader"],
  },
  {
    when: "evidence against it comes before what is unread",
    of: {
      ...metadataOf({ a: [partition(0, [0, 1, 2], [0])] }),
      ...mins({ a: 2 }),
      quorum: failed("x"),
    },
    want: ["fail", "1 partition would be under min.insync.replicas: a-0; waiting for broker 1, 2"],
  },
  {
    when: "a controller-only node is judged by its quorum",
    of: { role: "controller", metadata: absent("a controller"), minInsyncReplicas: absent("") },
    want: ["pass", QUORUM],
  },
  {
    when: "a node of which nothing can be asked is unknown",
    of: { role: "controller", metadata: absent("a controller"), quorum: absent("old") },
    want: ["unknown", "neither partitions nor quorum of this node could be asked for"],
  },
];

describe("checkRestartSafe()", () => {
  test.each([...rows])("$when", ({ of, want }) => {
    expect(said(judgeRestart(of))).toEqual([...want]);
  });
  test("names a few of many, and those that are not even listed", () => {
    const many = Array.from({ length: RISK_ROWS_MAX + 5 }, (_, n) => partition(n, [0, 1], [0]));
    const { reason } = judgeRestart({ ...metadataOf({ a: many }), ...mins({ a: 1 }) });
    const names = "a-0, a-1, a-2 and 17 more (and 5 not listed)";
    expect(reason).toContain(`25 partitions would be under min.insync.replicas: ${names}`);
  });
});

const BROKERS = [0, 1, 2, 3, 4];
const partitionOf = fc
  .record({
    replicas: fc.uniqueArray(fc.constantFrom(...BROKERS), { minLength: 1, maxLength: 4 }),
    inSync: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    min: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ replicas, inSync, min }) => ({
    ...{ replicas, min },
    isr: replicas.filter((_, n) => inSync[n] === true),
  }));

describe("partitionRisk()", () => {
  test("agrees with a model that stops the broker and lets all others catch up", () => {
    fc.assert(
      fc.property(fc.array(partitionOf, { maxLength: 12 }), (partitions) => {
        const topics = partitions.map(({ replicas, isr }, n) => [
          `t${n}`,
          [partition(n, replicas, isr)],
        ]);
        const min = new Map(partitions.map((one, n) => [`t${n}`, one.min]));
        const risk = partitionRisk(cluster(Object.fromEntries(topics)), 0, min);
        const held = partitions
          .map((one, n) => ({ ...one, name: `t${n}` }))
          .filter(({ replicas }) => replicas.includes(0));
        const stopped = held.map((one) => ({
          ...one,
          now: one.isr.filter((id) => id !== 0).length,
          atBest: one.replicas.length - 1,
        }));
        const works = (count: number, minimum: number) => count >= minimum;
        const waits = stopped.filter(
          ({ now, atBest, min: minimum }) =>
            (!works(now, minimum) && works(atBest, minimum)) || (now === 0 && atBest > 0),
        );
        const never = stopped.filter(({ atBest, min: minimum }) => !works(atBest, minimum));
        expect(risk.blocking.rows.map(({ topic }) => topic)).toEqual(waits.map(({ name }) => name));
        expect(risk.neverSafe.rows.map(({ topic }) => topic)).toEqual(
          never.map(({ name }) => name),
        );
        expect(risk.held).toBe(held.length);
        for (const row of risk.blocking.rows) expect(row.waitingFor.length).toBeGreaterThan(0);
      }),
    );
  });
  test("is never safer for knowing less", () => {
    fc.assert(
      fc.property(partitionOf, ({ replicas, isr, min }) => {
        const made = cluster({ t: [partition(0, replicas, isr)] });
        const known = partitionRisk(made, 0, new Map([["t", min]]));
        const blind = partitionRisk(made, 0, new Map());
        const holdsUp = blind.blocking.total > 0 || blind.undecided.length > 0;
        if (known.blocking.total > 0) expect(holdsUp).toBe(true);
        if (!holdsUp) expect(known.blocking.total).toBe(0);
      }),
    );
  });
  test("keeps RISK_ROWS_MAX rows and counts all", () => {
    const many = Array.from({ length: RISK_ROWS_MAX + 1 }, (_, n) => partition(n, [0, 1], [0]));
    const { blocking } = partitionRisk(cluster({ a: many }), 0, new Map([["a", 1]]));
    expect([blocking.rows.length, blocking.total]).toEqual([RISK_ROWS_MAX, RISK_ROWS_MAX + 1]);
  });
});

describe("quorumRisk()", () => {
  test("wants a majority of all voters without this one, or all others where there are too few", () => {
    const needed = [1, 2, 3, 4, 5, 7].map((count) => {
      const all = Array.from({ length: count }, (_, id) => replica(id));
      return quorumRisk(quorum(all, { leaderId: 0 }), 0)?.needed;
    });
    expect(needed).toEqual([0, 1, 2, 3, 3, 4]);
  });
  test("blocks without a leader, for nobody is known to be caught up", () => {
    const lost = quorum([replica(0), replica(1), replica(2)], { leaderId: -1 });
    expect(quorumRisk(lost, 0)?.blocks).toBe(true);
  });
});
