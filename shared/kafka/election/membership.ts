/**
 * A member of a classic consumer group of one topic. The protocol (assignment.ts) decides who owns what:
 * the one partition by which control planes elect, or a share of many.
 *
 * Invariants: a term's fence carries that term's own member id and generation, never a later one; without
 * an answer to a heartbeat for a session timeout, on our monotonic clock, the term is lost, whatever Kafka
 * thinks; it always tries to join again.
 */

import { sleep, systemClock } from "../../clock.ts";
import type { Call } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import { repeat, type Turn } from "../../retry.ts";
import { commitRequest, heartbeatRequest, leaveRequest, type Member } from "../api/group.ts";
import type { PartitionOffset } from "../api/group-offsets.ts";
import { type KafkaError, protocolError } from "../error.ts";
import type { MembershipContext, MembershipOptions } from "./context.ts";
import { type Joining, joinOnce } from "./join.ts";

/** Kafka's default group.min.session.timeout.ms. */
const SESSION_TIMEOUT_MIN_MS = 6000;
const LEAVE_CALL_MS = 2000;
/** A heartbeat without an answer is tried again within the session. */
const CALLS_PER_SESSION = 3;
const SILENCE = "no contact for a session timeout";
const PACE = { baseMs: 100, maxMs: 2000, clock: systemClock };
const FENCE_PARTITION = 0;

export type Membership = {
  /** Asks the group for a new assignment, because the topic has another number of partitions. */
  readonly rejoin: () => void;
  /** Ends the term and leaves the group, so that another member need not wait for the session to end. */
  readonly close: () => Promise<void>;
};

let members = 0;

/** @returns `invalid` when the session timeout is below the broker's default minimum */
export function joinMembership(options: MembershipOptions): Result<Membership, KafkaError> {
  if (options.sessionTimeoutMs < SESSION_TIMEOUT_MIN_MS)
    return err(tooShort(options.sessionTimeoutMs));
  members += 1;
  const lane = `member-${members}`;
  const stop = new AbortController();
  const close = () => stop.abort();
  options.signal?.addEventListener("abort", close, { once: true });
  if (options.signal?.aborted === true) close();
  let again = new AbortController();
  const rejoining = () => {
    again = new AbortController();
    return again.signal;
  };
  const ended = live({ ...options, lane, signal: stop.signal }, rejoining);
  return ok({
    rejoin: () => again.abort(),
    close: async () => {
      close();
      await ended;
    },
  });
}

type Ownership = { readonly lost: AbortController; readonly member: Member };

/** Why a term ends although the partition stays with us. */
const LATER_GENERATION = new Error("a later generation");

/**
 * JoinGroup waits at the broker for the other members, so requests that must not wait behind it use a lane
 * of their own.
 */
const beside = (lane: string): string => `${lane}-beside`;

/** Join, hold, join again, until it is told to stop. */
async function live(
  options: Omit<MembershipContext, "joining">,
  rejoining: () => AbortSignal,
): Promise<void> {
  let joining = true;
  const context = { ...options, joining: () => joining };
  const { client, groupId, lane, signal } = context;
  let memberId = "";
  let owned: Ownership | undefined;

  const lose = (reason: string) => {
    if (owned === undefined) return;
    owned.lost.abort(new Error(reason));
    owned = undefined;
    context.onLost(reason);
  };
  const silence = watchSilence(context.sessionTimeoutMs, () => lose(SILENCE));

  const takePart = async (): Promise<Turn> => {
    const joined = await joinOnce(context, memberId);
    memberId = joined.memberId;
    if (joined.kind === "failed") {
      const { code, detail } = joined.error;
      if (code === "rebalancing") return "again";
      if (code === "fenced") lose(detail);
      else context.onJoin?.(joined.error);
      logFailure(context, joined.error);
      return "failed";
    }
    context.onJoin?.(undefined);
    // Kafka counts our session from a later time: from its answer.
    silence.heard(joined.syncedMs);
    if (joined.owner) owned = begin(context, joined, owned);
    else lose("the group gave the partition to another member");
    joining = false;
    const ending = await hold(context, joined.member, silence, rejoining());
    joining = true;
    if (ending === "fenced") memberId = "";
    if (ending !== "rebalancing") lose(`the membership ended: ${ending}`);
    return "again";
  };
  await repeat(takePart, PACE, signal);
  lose("closing");
  // After we have left, or broken off the join ourselves, a failed join is no trouble to report.
  context.onJoin?.(undefined);
  silence.end();
  if (memberId !== "") {
    const call = { deadlineMs: LEAVE_CALL_MS };
    await client.toCoordinator(groupId, leaveRequest(groupId, memberId, lane), call);
  }
  client.closeLane(lane);
  client.closeLane(beside(lane));
}

type Silence = {
  /** Kafka has answered a request that was sent at this monotonic time. */
  readonly heard: (sentMs: number) => void;
  readonly leftMs: () => number;
  readonly end: () => void;
};

/** It runs during joins and heartbeats alike; a paused process finds it expired when it wakes. */
function watchSilence(sessionTimeoutMs: number, onSilence: () => void): Silence {
  let endMs = performance.now() + sessionTimeoutMs;
  let timer = setTimeout(onSilence, sessionTimeoutMs);
  const leftMs = () => endMs - performance.now();
  return {
    leftMs,
    heard: (sentMs) => {
      endMs = sentMs + sessionTimeoutMs;
      clearTimeout(timer);
      timer = setTimeout(onSilence, Math.max(0, leftMs()));
    },
    end: () => clearTimeout(timer),
  };
}

function begin(
  context: MembershipContext,
  { member, assignment }: Extract<Joining, { kind: "joined" }>,
  before: Ownership | undefined,
): Ownership {
  // The old term's fence carries an old generation, so that term ends, although the partition stays with us.
  before?.lost.abort(LATER_GENERATION);
  const lost = new AbortController();
  const { generation, memberId } = member;
  const commitAll = (offsets: readonly PartitionOffset[], call: Call) =>
    commit(context, member, offsets, { ...call, lost: lost.signal });
  context.onAssigned({
    generation,
    memberId,
    kept: before !== undefined,
    assignment,
    commit: commitAll,
    fence: (call) => commitAll([{ partition: FENCE_PARTITION, offset: 0 }], call),
    lost: lost.signal,
  });
  return { lost, member };
}

async function commit(
  { client, topic, lane, joining }: MembershipContext,
  member: Member,
  offsets: readonly PartitionOffset[],
  { lost, ...call }: Call & { readonly lost: AbortSignal },
): Promise<Result<null, KafkaError>> {
  const what = `commit as the owner of group ${member.groupId}`;
  if (lost.aborted) return err(termOver(what, lost));
  const request = commitRequest(member, topic, offsets, beside(lane));
  const answer = await client.toCoordinator(member.groupId, request, call);
  if (lost.aborted) return err(termOver(what, lost));
  if (!answer.ok) return answer;
  if (answer.value === 0) return ok(null);
  const permission = `READ on group ${member.groupId} and topic ${topic}`;
  const error = protocolError(answer.value, what, permission);
  if (error.code === "not-coordinator") client.forgetCoordinator(member.groupId);
  if (error.code === "fenced" && joining())
    return err({ ...error, code: "rebalancing", retry: "transient" });
  return err(error);
}

/** While the partition stays with us, the next term's fence may succeed. */
function termOver(what: string, lost: AbortSignal): KafkaError {
  const detail = `${what}: the term is over`;
  if (lost.reason === LATER_GENERATION) return { code: "rebalancing", retry: "transient", detail };
  return { code: "fenced", retry: "terminal", detail };
}

type Ending = "rebalancing" | "fenced" | "no contact" | "closing";

/** Heartbeats until the membership changes. */
async function hold(
  context: MembershipContext,
  member: Member,
  silence: Silence,
  again: AbortSignal,
): Promise<Ending> {
  const { client, groupId, lane, signal, sessionTimeoutMs, heartbeatIntervalMs } = context;
  const woken = AbortSignal.any([signal, again]);
  const callMs = sessionTimeoutMs / CALLS_PER_SESSION;
  while (!woken.aborted) {
    await sleep(heartbeatIntervalMs, woken);
    if (woken.aborted) break;
    if (silence.leftMs() <= 0) return "no contact";
    const sentMs = performance.now();
    const call = { deadlineMs: Math.min(silence.leftMs(), callMs), signal };
    const answer = await client.toCoordinator(
      groupId,
      heartbeatRequest(member, beside(lane)),
      call,
    );
    if (answer.ok && answer.value === 0) {
      silence.heard(sentMs);
      continue;
    }
    const error = answer.ok ? protocolError(answer.value, "heartbeat") : answer.error;
    if (error.code === "rebalancing") return "rebalancing";
    if (error.code === "fenced") return "fenced";
    client.forgetCoordinator(groupId);
    context.log("debug", "heartbeat failed", { groupId, detail: error.detail });
  }
  return signal.aborted ? "closing" : "rebalancing";
}

function logFailure({ log, groupId }: MembershipContext, error: KafkaError): void {
  const level = error.retry === "terminal" && error.code !== "fenced" ? "warn" : "debug";
  log(level, "joining the group failed", { groupId, detail: error.detail });
}

function tooShort(sessionTimeoutMs: number): KafkaError {
  const detail = `a session timeout of ${sessionTimeoutMs} ms is below ${SESSION_TIMEOUT_MIN_MS} ms, the least that Kafka accepts by default`;
  return { code: "invalid", retry: "terminal", detail };
}
