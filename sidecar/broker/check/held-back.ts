/**
 * Does Kafka hold new connections back, or does it hang? At a limit (max.connections,
 * max.connection.creation.rate) it leaves new ones with the kernel and serves those that it has. One that
 * hangs leaves them there, too, serves nobody, and at most its timers run. Pure.
 */
import type { Backlog, BrokerSnapshot } from "../snapshot.ts";
import { counted } from "../text.ts";
import type { CheckSettings } from "./check.ts";

/** Of one CPU: an idle broker was seen to use 4 %, one that is stopped uses nothing. */
const WORK_SHARE_MIN = 0.005;
/** USER_HZ: 100 on all that Bun runs on. */
const MS_PER_TICK = 10;

/** @returns why a silent new connection is no sign of a hang; undefined where it may be one. */
export function heldText(
  { backlog }: BrokerSnapshot,
  settings: CheckSettings,
  before: BrokerSnapshot | undefined,
): string | undefined {
  if (backlog === undefined || backlog.waiting === 0) return undefined;
  if (backlog.served > 0 && backlog.unread === backlog.served) return undefined;
  const was = before?.backlog?.pid === backlog.pid ? before.backlog : undefined;
  // What it works shows from the second look on: who looks only when asked has that second look at once.
  if (was === undefined && settings.isOneOff === true) return undefined;
  if (was !== undefined && workShare(backlog, was) < WORK_SHARE_MIN) return undefined;
  const waiting = `Kafka's process leaves ${counted(backlog.waiting, "connection")} waiting, ours among them`;
  const work = was === undefined ? "whether it works is not seen yet" : "and is at work";
  return `${waiting}, ${work}: at a limit such as max.connections?`;
}

/** Used of one CPU between two looks, 0 to the number of CPUs. */
const workShare = (now: Backlog, was: Backlog): number =>
  ((now.cpuTicks - was.cpuTicks) * MS_PER_TICK) / Math.max(1, now.atMs - was.atMs);
