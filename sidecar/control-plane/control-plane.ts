/**
 * The control plane, put together: HTTP at once, then Kafka (waited for as long as it takes), topics,
 * ledger, membership. Runs until the signal; the order of shutdown stands at the end.
 */
import { backoffMs } from "../../shared/backoff.ts";
import type { BuildInfo } from "../../shared/build-info.ts";
import { sleep } from "../../shared/deadline.ts";
import { EXIT, type ExitCode } from "../../shared/exit.ts";
import { serve } from "../../shared/http.ts";
import { deleteGroup } from "../../shared/kafka/admin/groups.ts";
import { type KafkaClient, kafkaLog, openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { joinMembership, type Membership } from "../../shared/kafka/election/membership.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import type { KafkaSettings } from "../../shared/kafka/settings.ts";
import type { Log } from "../../shared/log.ts";
import { openMetrics } from "../../shared/metrics.ts";
import { CONTROL } from "../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Executor } from "./act/execute.ts";
import { lagOf } from "./api/lag.ts";
import { type Leadership, openLeadership } from "./leader/leadership.ts";
import { openStandby, type Standby } from "./leader/standby.ts";
import { openTail, type Tail } from "./leader/tail.ts";
import type { TermSettings } from "./leader/term.ts";
import { openGauges, openRecorder } from "./metrics.ts";
import { describeHold } from "./plan/hold.ts";
import { createQuarantineQueue } from "./record/quarantine.ts";
import { controlPlaneRoutes, type Health } from "./routes.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { prepareTopics } from "./topics.ts";
import type { WorkerSettings } from "./worker/spec.ts";

const CALL_MS = 10_000;
const GROUP_CALL_MS = 5_000;
const START_RETRY = { baseMs: 250, maxMs: 10_000 } as const;
const HTTP_GRACE_MS = 1_000;
/** Beats of the membership per session timeout, as Kafka's own clients advise. */
const SESSION_BEATS = 4;

export type ControlPlaneOptions = {
  readonly kafka: KafkaSettings;
  readonly port: number;
  readonly settings: TermSettings;
  readonly sessionTimeoutMs: number;
  readonly topicPartitions: number;
  /** Default: Kafka's cluster id. */
  readonly fleet: string | undefined;
  readonly instance: string;
  readonly runtime: Runtime;
  readonly workerOf: (fleet: string) => WorkerSettings;
  readonly build: BuildInfo;
  readonly log: Log;
  readonly random: () => number;
  readonly monotonicMs: () => number;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
};

/** What has come up so far; the routes show it from the first moment on. */
type Parts = {
  standby: Standby | undefined;
  tail: Tail | undefined;
  lead: Leadership | undefined;
  waitingFor: string;
};

export async function runControlPlane(options: ControlPlaneOptions): Promise<ExitCode> {
  const { log, signal } = options;
  const client = openKafkaClient(options.kafka, { log: kafkaLog(log) });
  const parts: Parts = {
    standby: undefined,
    tail: undefined,
    lead: undefined,
    waitingFor: `Kafka at ${options.kafka.brokers.join(",")}`,
  };
  const metrics = openMetrics({ processMetrics: true });
  const quarantine = createQuarantineQueue();
  const term = () => parts.lead?.term();
  const clusters = () =>
    (term()?.leaderState.fleet ?? parts.standby?.fleet())?.clusters ?? new Map();
  openGauges(metrics, {
    term,
    clusters: () => clusters().values(),
    monotonicMs: options.monotonicMs,
    quarantineDropped: quarantine.dropped,
  });
  const server = serve({
    port: options.port,
    build: options.build,
    log,
    routes: controlPlaneRoutes({
      metrics,
      health: () => healthOf(parts),
      term,
      clusters,
      lagOf: (clientId) => lagOf(client, clientId),
    }),
  });
  if (!server.ok) {
    log.error(server.error.detail, { variable: "METRICS_PORT" });
    await client.close();
    return EXIT.configuration;
  }
  log.info("listening", { url: server.value.url });
  const recorder = openRecorder(metrics);
  const joined = await comeUp({ ...options, client, parts, recorder, quarantine });
  if (joined.ok) await untilAborted(signal);
  else log.error(joined.error);
  await parts.lead?.close();
  if (joined.ok) await joined.value.close();
  await parts.tail?.close();
  await server.value.close(HTTP_GRACE_MS);
  await client.close();
  return joined.ok || signal.aborted ? EXIT.done : EXIT.configuration;
}

type ComeUp = ControlPlaneOptions & {
  readonly client: KafkaClient;
  readonly parts: Parts;
  readonly recorder: ReturnType<typeof openRecorder>;
  readonly quarantine: ReturnType<typeof createQuarantineQueue>;
};

/** An error is one of configuration: whatever Kafka does is waited for. */
async function comeUp(deps: ComeUp): Promise<Result<Membership, string>> {
  const { client, parts, log, settings, runtime, sessionTimeoutMs } = deps;
  const clusterId = await untilDone(deps, "Kafka", () => clusterIdOf(client));
  if (clusterId === undefined) return err("stopped before Kafka answered");
  const fleet = deps.fleet ?? clusterId;
  const worker = deps.workerOf(fleet);
  const prepare = () => prepareTopics(client, deps.topicPartitions, log);
  const findings = await untilDone(deps, "the topics", prepare);
  if (findings === undefined) return err("stopped before the topics were there");
  const tail = openTail({
    client,
    log: kafkaLog(log),
    onProblem: (problem) => parts.lead?.onProblem(problem),
  });
  parts.tail = tail;
  const standby = openStandby({ client, tail, warn: log.warn });
  parts.standby = standby;
  if ((await untilDone(deps, "the ledger", standby.restart)) === undefined) return err("stopped");
  void keepCatchingUp(deps, standby);
  const lead = openLeadership({
    ...deps,
    tail,
    standby,
    worker,
    prepare,
    producer: openProducer({ client, log: kafkaLog(log) }),
    deleteGroup: deleteGroupBy(client),
  });
  parts.lead = lead;
  parts.waitingFor = "";
  log.info("following the ledger", { fleet, runtime: runtime.runtime, settings });
  const membership = joinMembership({
    client,
    log: kafkaLog(log),
    groupId: `outrider-control-plane-${fleet}`,
    topic: CONTROL,
    sessionTimeoutMs,
    rebalanceTimeoutMs: sessionTimeoutMs / 2,
    heartbeatIntervalMs: sessionTimeoutMs / SESSION_BEATS,
    standing: lead.standing,
    onAssigned: lead.onAssigned,
    onLost: lead.onLost,
  });
  return membership.ok ? membership : err(membership.error.detail);
}

/** A standby is ready when it has read the ledger to its end once. */
async function keepCatchingUp(deps: ComeUp, standby: Standby): Promise<void> {
  for (let attempt = 0; !deps.signal.aborted && !standby.ready(); attempt += 1) {
    const caughtUp = await standby.caughtUp(deps.signal);
    if (caughtUp.ok) return;
    await sleep(backoffMs(attempt, { ...START_RETRY, random: deps.random }), deps.signal);
  }
}

async function clusterIdOf(client: KafkaClient): Promise<Result<string, KafkaError>> {
  const metadata = await client.metadata([], { deadlineMs: CALL_MS });
  return metadata.ok ? ok(metadata.value.clusterId ?? "unknown") : metadata;
}

/** Tries for ever, and says what it waits for; undefined when we are stopped meanwhile. */
async function untilDone<T>(
  { log, parts, random, signal }: ComeUp,
  what: string,
  once: () => Promise<Result<T, KafkaError>>,
): Promise<T | undefined> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const done = await Promise.race([once(), untilAborted(signal)]);
    if (done === undefined) return undefined;
    if (done.ok) return done.value;
    parts.waitingFor = `${what}: ${done.error.detail}`;
    log.warn(`waiting for ${what}`, { attempt: attempt + 1, error: done.error.detail });
    await sleep(backoffMs(attempt, { ...START_RETRY, random }), signal);
  }
  return undefined;
}

/** Ready: the ledger has been read to its end once, and Kafka answers. */
function healthOf({ standby, tail, lead, waitingFor }: Parts): Health {
  const term = lead?.term();
  const epoch = term?.epoch ?? null;
  if (standby === undefined || !standby.ready()) {
    const detail = `waiting for ${waitingFor === "" ? "the ledger" : waitingFor}`;
    return { ready: false, role: "starting", epoch, detail };
  }
  const role = term === undefined ? "standby" : "leader";
  const trouble = tail?.trouble();
  if (trouble !== undefined) return { ready: false, role, epoch, detail: trouble.detail };
  const stuck = term?.trouble();
  if (stuck !== undefined) return { ready: false, role, epoch, detail: stuck };
  const hold = term && describeHold(term.leaderState, term.conditions());
  const detail = lead?.trouble() ?? hold ?? "following the ledger";
  return { ready: true, role, epoch, detail };
}

const deleteGroupBy =
  (client: KafkaClient): Executor["deleteGroup"] =>
  async (group, signal) => {
    const deleted = await deleteGroup(client, group, { deadlineMs: GROUP_CALL_MS, signal });
    if (deleted.ok) return deleted;
    const code = deleted.error.code === "group-not-empty" ? "group-not-empty" : "kafka";
    return err({ code, detail: deleted.error.detail });
  };

const untilAborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
