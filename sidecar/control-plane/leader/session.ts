/**
 * One session with one Kafka cluster: its id, the topics, the ledger, the group. It ends when we stop, or
 * when another cluster answers at the same address (it was rebuilt, or the address leads elsewhere). Then
 * everything known about this cluster is dropped, and the next session begins as the first did.
 */

import { memberCount } from "../../../shared/kafka/admin/groups.ts";
import { type KafkaClient, openKafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { electionProtocol } from "../../../shared/kafka/election/assignment.ts";
import { joinMembership } from "../../../shared/kafka/election/membership.ts";
import { abortedError, type KafkaError } from "../../../shared/kafka/error.ts";
import { kafkaLog } from "../../../shared/kafka/log.ts";
import { openProducer } from "../../../shared/kafka/producer/producer.ts";
import type { KafkaSettings } from "../../../shared/kafka/settings.ts";
import { CONTROL, topicPlans } from "../../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { ALWAYS, repeat, retry, type Turn } from "../../../shared/retry.ts";
import { openGroups } from "../act/groups.ts";
import {
  createTroubleSpot,
  type LastingTrouble,
  type TroubleSpot,
  troubleOf,
} from "../follow/readiness.ts";
import { openStandby, type Standby } from "../follow/standby.ts";
import { openTail, type Tail } from "../follow/tail.ts";
import { keepTopics } from "../follow/topic-keeper.ts";
import { warnOfOffsetRetention } from "../offset-retention.ts";
import { prepareTopics } from "../topics.ts";
import type { WorkerSettings } from "../worker/spec.ts";
import { runCandidacy } from "./candidacy.ts";
import { electionGroup, identityOf } from "./identity.ts";
import { type Leadership, openLeadership } from "./leadership.ts";
import type { LeadershipDeps } from "./one-term.ts";

const CALL_MS = 10_000;
const RETRY = { baseMs: 250, maxMs: 10_000 } as const;
/** Group heartbeats per session timeout, as Kafka's own clients recommend. */
const SESSION_BEATS = 4;
const GROUP_CALL_MS = 5_000;
const CATCH_UP_MS = 10_000;

export type SessionDeps = Omit<
  LeadershipDeps,
  "client" | "tail" | "standby" | "identity" | "prepare" | "producer" | "groups" | "worker"
> & {
  readonly kafka: KafkaSettings;
  readonly sessionTimeoutMs: number;
  readonly topicPartitions: number;
  /** Default: Kafka's cluster id. */
  readonly fleet: string | undefined;
  readonly workerOf: (fleet: string) => WorkerSettings;
  readonly history: { hasStood: boolean };
  readonly signal: AbortSignal;
};

/** The parts that exist so far, for the routes. */
export type Session = {
  readonly client: KafkaClient;
  readonly standby: () => Standby | undefined;
  readonly lead: () => Leadership | undefined;
  /** The present problem, if any. */
  readonly troubles: () => readonly (LastingTrouble | undefined)[];
  /** Why it stands by, although nothing is wrong. */
  readonly waiting: () => string | undefined;
  /** Resolves when the session is over and all its parts are closed; an error is one of configuration. */
  readonly ended: Promise<Result<null, string>>;
};

type Parts = {
  standby: Standby | undefined;
  tail: Tail | undefined;
  lead: Leadership | undefined;
  readonly coming: TroubleSpot;
  readonly group: TroubleSpot;
  readonly fleet: TroubleSpot;
  /** Why a standby does not stand for election. */
  waiting: string | undefined;
  readonly over: AbortController;
};

export function openSession(deps: SessionDeps): Session {
  const client = openKafkaClient(deps.kafka, { log: kafkaLog(deps.log), oneCluster: true });
  const parts: Parts = {
    standby: undefined,
    tail: undefined,
    lead: undefined,
    coming: createTroubleSpot(deps.clock.monotonicMs),
    group: createTroubleSpot(deps.clock.monotonicMs),
    fleet: createTroubleSpot(deps.clock.monotonicMs),
    waiting: undefined,
    over: new AbortController(),
  };
  parts.coming.note({
    detail: `waiting for Kafka at ${deps.kafka.brokers.join(",")}`,
    answered: false,
  });
  return {
    client,
    standby: () => parts.standby,
    lead: () => parts.lead,
    troubles: () => [
      parts.coming.present(),
      parts.tail?.trouble(),
      parts.lead?.trouble(),
      parts.fleet.present(),
      parts.group.present(),
    ],
    waiting: () => parts.waiting,
    ended: run(deps, client, parts),
  };
}

async function run(
  deps: SessionDeps,
  client: KafkaClient,
  parts: Parts,
): Promise<Result<null, string>> {
  const over = AbortSignal.any([deps.signal, parts.over.signal]);
  const come = { ...deps, signal: over };
  const clusterId = await untilDone(come, parts, "Kafka", () => clusterIdOf(client));
  const ended = clusterId === undefined ? ok(null) : await stay(come, client, parts, clusterId);
  await parts.tail?.close();
  await client.close();
  return ended;
}

async function stay(
  deps: SessionDeps,
  client: KafkaClient,
  parts: Parts,
  clusterId: string,
): Promise<Result<null, string>> {
  const { log, signal, settings, runtime, clock } = deps;
  const identity = identityOf(deps.fleet, settings.fleetAliases, clusterId);
  const prepare = () => prepareOn(deps, client, parts, clusterId);
  if ((await untilDone(deps, parts, "the topics", prepare)) === undefined) return ok(null);
  void warnOfOffsetRetention(client, log);
  const tail = openTail({
    client,
    log: kafkaLog(log),
    onProblem: (problem) => parts.lead?.onProblem(problem),
    clock,
  });
  parts.tail = tail;
  const standby = openStandby({ client, tail, warn: log.warn, clock });
  if ((await untilDone(deps, parts, "the ledger", standby.restart)) === undefined) return ok(null);
  parts.standby = standby;
  void keepCatchingUp(deps, standby);
  const lead = openLeadership({
    ...deps,
    client,
    tail,
    standby,
    identity,
    worker: deps.workerOf(identity.name),
    prepare,
    producer: openProducer({ client, log: kafkaLog(log) }),
    groups: openGroups(client, log, clock.nowMs),
  });
  parts.lead = lead;
  log.info("following the ledger", { fleet: identity.name, runtime: runtime.runtime, settings });
  const topics = topicPlans(deps.topicPartitions).map(({ name }) => name);
  const otherCluster = (id: string) => leave(deps, parts, clusterId, id);
  const keeper = { ...{ client, clusterId, topics, log, clock, signal }, otherCluster };
  const kept = keepTopics({ ...keeper, mayMake: lead.owns, make: prepare });
  const stood = await runCandidacy({
    ...{ identity, clusterId, standby, trouble: parts.fleet, log, signal },
    membersOf: (group) => memberCount(client, group, { deadlineMs: GROUP_CALL_MS, signal }),
    join: () => join(deps, client, parts, lead, clusterId),
    waiting: (detail) => {
      parts.waiting = detail;
    },
    history: deps.history,
    beforeLeaving: lead.close,
  });
  parts.over.abort();
  await kept;
  return stood;
}

const join = (
  { log, sessionTimeoutMs }: SessionDeps,
  client: KafkaClient,
  parts: Parts,
  lead: Leadership,
  clusterId: string,
): ReturnType<typeof joinMembership> =>
  joinMembership({
    client,
    log: kafkaLog(log),
    groupId: electionGroup(clusterId),
    topic: CONTROL,
    sessionTimeoutMs,
    rebalanceTimeoutMs: sessionTimeoutMs / 2,
    heartbeatIntervalMs: sessionTimeoutMs / SESSION_BEATS,
    protocol: electionProtocol(CONTROL, lead.standing),
    onAssigned: lead.onAssigned,
    onLost: lead.onLost,
    onJoin: (error) => void parts.group.note(error && troubleOf(error)),
  });

function leave({ log }: SessionDeps, parts: Parts, was: string, is: string): void {
  if (parts.over.signal.aborted) return;
  log.error(
    "another Kafka cluster answers: rebuilt, or another one at the same address; what was known of the one " +
      "before is dropped, and its workers keep running",
    { was, is },
  );
  parts.over.abort();
}

/** Before every promotion: checks that it is still the same cluster, and that the topics exist. */
async function prepareOn(
  deps: SessionDeps,
  client: KafkaClient,
  parts: Parts,
  clusterId: string,
): ReturnType<typeof prepareTopics> {
  const found = await clusterIdOf(client);
  if (!found.ok) return found;
  if (found.value !== clusterId) {
    leave(deps, parts, clusterId, found.value);
    const detail = `Kafka's cluster id was ${clusterId} and is ${found.value}`;
    return err({ code: "invalid", retry: "terminal", detail });
  }
  return await prepareTopics(client, deps.topicPartitions, deps.log);
}

/** A standby is ready when it has read the ledger to its end once. */
async function keepCatchingUp(deps: SessionDeps, standby: Standby): Promise<void> {
  const { clock, signal } = deps;
  const catchUp = async (): Promise<Turn> => {
    if (standby.ready()) return "over";
    // The end is asked for again from time to time, because a recreated topic may never reach the old one.
    const late = AbortSignal.timeout(CATCH_UP_MS);
    const caughtUp = await standby.caughtUp(AbortSignal.any([signal, late]));
    return caughtUp.ok ? "over" : "failed";
  };
  await repeat(catchUp, { ...RETRY, clock }, signal);
}

async function clusterIdOf(client: KafkaClient): Promise<Result<string, KafkaError>> {
  const metadata = await client.metadata([], { deadlineMs: CALL_MS });
  return metadata.ok ? ok(metadata.value.clusterId ?? "unknown") : metadata;
}

/** Retries for ever, and reports what it waits for; undefined if we are stopped meanwhile. */
async function untilDone<T>(
  { log, clock, signal }: SessionDeps,
  { coming }: Parts,
  what: string,
  once: () => Promise<Result<T, KafkaError>>,
): Promise<T | undefined> {
  const stopped = err(abortedError(`wait for ${what}`));
  const failed = (error: KafkaError, attempt: number) => {
    const { detail } = error;
    coming.note({ ...troubleOf(error), detail: `waiting for ${what}: ${detail}` });
    log.warn(`waiting for ${what}`, { attempt, error: detail });
  };
  const tryOnce = async () =>
    signal.aborted ? stopped : ((await Promise.race([once(), untilAborted(signal)])) ?? stopped);
  const done = await retry(tryOnce, { ...RETRY, clock, again: ALWAYS, failed }, signal);
  if (!done.ok) return undefined;
  coming.note(undefined);
  return done.value;
}

const untilAborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
