/** New connections that Kafka's process leaves with the kernel: held back at a limit, or is it a hang? */
import { describe, expect, test } from "bun:test";
import { checkBrokerAnswers } from "../../../../sidecar/broker/check/broker-answers.ts";
import type { CheckStatus } from "../../../../sidecar/broker/check/check.ts";
import type { Backlog } from "../../../../sidecar/broker/snapshot.ts";
import { SETTINGS, said, snapshot } from "../snapshot-sample.ts";

type Row = {
  readonly when: string;
  readonly backlog: Backlog;
  /** In the round before. */
  readonly was?: Backlog;
  readonly isOneOff?: boolean;
  readonly want: readonly [CheckStatus, string];
};
const SILENT = "the listener accepts connections and is silent: no answer within 2000 ms";
const held = (work: string) =>
  `Kafka's process leaves 3 connections waiting, ours among them, ${work}: at a limit such as max.connections?: no answer within 2000 ms`;
const backlog = (changed: Partial<Backlog> = {}): Backlog => ({
  ...{ pid: 42, atMs: 51_000, waiting: 3, served: 5, unread: 4, cpuTicks: 81 },
  ...changed,
});

const rows: readonly Row[] = [
  {
    when: "new connections that its process leaves waiting are unknown at the first look",
    backlog: backlog(),
    want: ["unknown", held("whether it is at work is not known yet")],
  },
  {
    when: "they fail at the first look of one that looks only when asked, and so looks again",
    backlog: backlog(),
    isOneOff: true,
    want: ["fail", SILENT],
  },
  {
    when: "they are unknown at its second look, of a process that works",
    backlog: backlog(),
    was: backlog({ atMs: 50_000, cpuTicks: 80 }),
    isOneOff: true,
    want: ["unknown", held("and is at work")],
  },
  {
    when: "new connections that its process leaves waiting while it works are unknown",
    backlog: backlog({ atMs: 52_000 }),
    was: backlog({ atMs: 50_000, cpuTicks: 80 }),
    want: ["unknown", held("and is at work")],
  },
  {
    when: "they fail while it uses less than 0.5 % of a CPU, as the timers of one that hangs do",
    backlog: backlog({ atMs: 52_001 }),
    was: backlog({ atMs: 50_000, cpuTicks: 80 }),
    want: ["fail", SILENT],
  },
  {
    when: "they fail while it does nothing",
    backlog: backlog(),
    was: backlog({ atMs: 50_000 }),
    want: ["fail", SILENT],
  },
  {
    when: "they fail while it works and reads nothing of what any served connection sent",
    backlog: backlog({ served: 4, unread: 4 }),
    was: backlog({ atMs: 50_000, cpuTicks: 1 }),
    want: ["fail", SILENT],
  },
  {
    when: "they are unknown where no connection at all is served on that port, and it works",
    backlog: backlog({ served: 0, unread: 0 }),
    was: backlog({ atMs: 50_000, cpuTicks: 80 }),
    want: ["unknown", held("and is at work")],
  },
  {
    when: "another process's work does not count",
    backlog: backlog(),
    was: backlog({ pid: 41, atMs: 50_000 }),
    want: ["unknown", held("whether it is at work is not known yet")],
  },
  {
    when: "a new connection that its process has taken, and leaves without an answer, fails",
    backlog: backlog({ waiting: 0 }),
    want: ["fail", SILENT],
  },
];

describe("checkBrokerAnswers(), a new connection being silent", () => {
  test.each([...rows])("$when", ({ backlog: seen, was, isOneOff = false, want }) => {
    const answer = {
      ...({ kind: "silent", connected: true, isNew: true } as const),
      ...{ detail: "no answer within 2000 ms", durationMs: 2000 },
    };
    const now = snapshot({ answer, backlog: seen });
    const before = was && snapshot({ answer, backlog: was });
    expect(said(checkBrokerAnswers(now, { ...SETTINGS, isOneOff }, before))).toEqual([...want]);
  });
});
