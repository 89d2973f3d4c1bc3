/**
 * Are replicas being moved from one log directory to another (KIP-113)? This is normal work, shown with its
 * progress. `FUTURE_REPLICAS=fail` restores the original, which was not ready until the move ended.
 */

import {
  type BrokerSnapshot,
  type FutureReplica,
  type LogDirectory,
  unreadDirs,
} from "../snapshot.ts";
import { bytesText, counted, someOf } from "../text.ts";
import type { Check } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

const CHECK = "future-replicas";
const say = verdictsOf(CHECK);

export const checkFutureReplicas: Check = ({ role, logDirs }, { futureReplicas }, before) => {
  if (role === "controller") return say("skipped", "a controller has no partitions on disk", 0);
  const read = readOr(CHECK, logDirs);
  if (!read.ok) return read.error;
  const { durationMs } = read.value;
  const online = read.value.value.filter(({ errorCode }) => errorCode === 0);
  const unread = unreadDirs(online);
  const moving = movingIn(online);
  if (moving.length === 0 && unread.length > 0) {
    return say("unknown", `the contents of ${someOf(unread)} could not be read lately`, durationMs);
  }
  if (moving.length === 0) return say("pass", "no replica is being moved", durationMs);
  const records = sum(moving, ({ offsetLag }) => Math.max(0, offsetLag));
  const progress = `${bytesText(bytesOf(moving))} copied${sinceBefore(moving, before)}, ${counted(records, "record")} to go`;
  const names = someOf(moving.map(({ topic, partition }) => `${topic}-${partition}`));
  const reason = `${counted(moving.length, "replica")} moving to another directory (${progress}): ${names}`;
  return say(futureReplicas, reason, durationMs);
};

/** Only replicas that were already moving in the last round: a finished move would count as a loss. */
function sinceBefore(moving: readonly FutureReplica[], before: BrokerSnapshot | undefined): string {
  if (before?.logDirs.kind !== "read") return "";
  const now = new Map(moving.map((one) => [keyOf(one), one.sizeBytes]));
  const both = movingIn(before.logDirs.value).flatMap((one) => {
    const sizeBytes = now.get(keyOf(one));
    return sizeBytes === undefined ? [] : [sizeBytes - one.sizeBytes];
  });
  return both.length === 0
    ? ""
    : `, ${bytesText(
        Math.max(
          0,
          sum(both, (by) => by),
        ),
      )} more than before`;
}

const movingIn = (dirs: readonly LogDirectory[]): readonly FutureReplica[] =>
  dirs.flatMap(({ contents }) => contents?.future ?? []);

const keyOf = ({ topic, partition }: FutureReplica): string => `${topic}-${partition}`;

const bytesOf = (moving: readonly FutureReplica[]): number =>
  sum(moving, ({ sizeBytes }) => sizeBytes);

const sum = <T>(values: readonly T[], of: (value: T) => number): number =>
  values.reduce((total, value) => total + of(value), 0);
