/**
 * Does Kafka delay new connections, or does it hang? At a limit (max.connections,
 * max.connection.creation.rate) it does not accept new connections and serves those that it has. A Kafka
 * that hangs does not accept them either, but serves nobody; at most its timers run. Pure.
 */
import type { Backlog, BrokerSnapshot } from "../snapshot.ts";
import { counted } from "../text.ts";
import type { CheckSettings } from "./check.ts";

/** Share of one CPU: an idle broker used 4 %, a stopped one uses nothing. */
const WORK_SHARE_MIN = 0.005;
/** USER_HZ: 100 on all platforms on which Bun runs. */
const MS_PER_TICK = 10;

/** @returns why a silent new connection is no sign of a hang; undefined if it may be one. */
export function heldText(
  { backlog }: BrokerSnapshot,
  settings: CheckSettings,
  before: BrokerSnapshot | undefined,
): string | undefined {
  if (backlog === undefined || backlog.waiting === 0) return undefined;
  if (backlog.served > 0 && backlog.unread === backlog.served) return undefined;
  const was = before?.backlog?.pid === backlog.pid ? before.backlog : undefined;
  // Whether it works shows from the second snapshot on; a one-off check takes a second one at once.
  if (was === undefined && settings.isOneOff === true) return undefined;
  if (was !== undefined && workShare(backlog, was) < WORK_SHARE_MIN) return undefined;
  const waiting = `Kafka's process leaves ${counted(backlog.waiting, "connection")} waiting, ours among them`;
  const work = was === undefined ? "whether it is at work is not known yet" : "and is at work";
  return `${waiting}, ${work}: at a limit such as max.connections?`;
}

/** CPUs used between two snapshots: 0 to the number of CPUs. */
const workShare = (now: Backlog, was: Backlog): number =>
  ((now.cpuTicks - was.cpuTicks) * MS_PER_TICK) / Math.max(1, now.atMs - was.atMs);
