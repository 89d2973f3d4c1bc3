/** The rows that a check is tested by: a snapshot, and the verdict that the check gives of it. */
import { describe, expect, test } from "bun:test";
import type { Check, CheckSettings, CheckStatus } from "../../../../sidecar/broker/check/check.ts";
import type { BrokerSnapshot } from "../../../../sidecar/broker/snapshot.ts";
import { absent, failed, SETTINGS, said, snapshot } from "../snapshot-sample.ts";

type Row = {
  readonly when: string;
  readonly of: Partial<BrokerSnapshot>;
  readonly settings?: CheckSettings;
  readonly before?: Partial<BrokerSnapshot>;
  readonly want: readonly [CheckStatus, string];
};

/** Makes a test of each row. */
export const tableOf = (name: string, check: Check, rows: readonly Row[]): void =>
  describe(`${name}()`, () => {
    test.each([...rows])("$when", ({ of, settings = SETTINGS, before, want }) => {
      const was = before === undefined ? undefined : snapshot(before);
      expect(said(check(snapshot(of), settings, was))).toEqual([...want]);
    });
  });

export const controller = (what: string): Row => ({
  ...{ when: "a controller-only node is skipped", of: { role: "controller" } },
  want: ["skipped", `a controller ${what}`],
});
const TIMED_OUT = "Metadata to 127.0.0.1:9092: no answer within 2000 ms";
export const unread: Row = {
  ...{ when: "unread metadata is unknown", of: { metadata: failed(TIMED_OUT) } },
  want: ["unknown", TIMED_OUT],
};
export const unreadDirs: Row = {
  ...{ when: "unread directories are unknown", of: { logDirs: failed("no answer") } },
  want: ["unknown", "no answer"],
};
export const noDisks = controller("has no partitions on disk");
export const withoutQuorum = { quorum: absent("no DescribeQuorum") };
