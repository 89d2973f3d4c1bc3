/**
 * The long-running commands, `heartbeat` and `run`: HTTP first, then beats until the signal.
 *
 * Order of the end: readiness closes and no more beats are made; the beat under way is given up; a last
 * beat says `stopping` (2 s at most); with --deregister-on-exit the tombstone follows (5 s at most), after
 * that beat, so that no beat follows it; then HTTP and the connections to Kafka are closed.
 */

import type { BuildInfo } from "../../shared/build-info.ts";
import type { Clock } from "../../shared/clock.ts";
import { startDeadline } from "../../shared/deadline.ts";
import { EXIT } from "../../shared/exit.ts";
import { type App, serve } from "../../shared/http.ts";
import { ensureTopics } from "../../shared/kafka/admin/topics.ts";
import type { Log } from "../../shared/log.ts";
import type { Metrics } from "../../shared/metrics.ts";
import { HEARTBEAT } from "../../shared/protocol/topic.ts";
import { ok } from "../../shared/result.ts";
import type { CommandOutcome } from "../outcome.ts";
import { type Identity, tombstoneRecord } from "../records.ts";
import { findRegistry, HEARTBEAT_TOPIC, type Kafka, publish, retried } from "../registry.ts";
import type { Delivery } from "./delivery.ts";
import { openHeartbeatMetrics } from "./metrics.ts";
import { type RegistrationTask, startRegistration } from "./registration.ts";
import { routes } from "./routes.ts";
import { type HeartbeatSender, openHeartbeatSender } from "./sender.ts";
import { type AgentStanding, openStanding, standingText } from "./standing.ts";

const TOMBSTONE_MS_MAX = 5000;
const HTTP_GRACE_MS = 500;

/** What runs beside the heartbeats and is reported in them. */
type Companion = {
  readonly run: (signal: AbortSignal) => Promise<unknown>;
  readonly sent: () => number;
  readonly close: () => Promise<void>;
};

export type HeartbeatCommandOptions = {
  readonly identity: Identity;
  readonly instanceId: string;
  readonly registers: boolean;
  /** A person asked for the registration. */
  readonly reRegister: boolean;
  readonly deregisterOnExit: boolean;
  readonly kafka: Kafka;
  readonly metrics: Metrics;
  /** What is in the cluster, sent by the same process; undefined: by none. */
  readonly collector: Companion | undefined;
  readonly moreRoutes: ((app: App) => void) | undefined;
  readonly port: number;
  readonly build: BuildInfo;
  readonly log: Log;
  readonly clock: Clock;
  /** Aborts on SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
};

export async function runHeartbeat(options: HeartbeatCommandOptions): Promise<CommandOutcome> {
  const { log, signal, clock } = options;
  let enrolment: RegistrationTask | undefined;
  const standing = openStanding({
    ...options,
    clientId: options.identity.clientId,
    installationId: options.registers ? options.identity.installationId : undefined,
  });
  const gauges = openHeartbeatMetrics({
    ...{ metrics: options.metrics, clock, standing: standing.standing },
    delivery: () => heartbeat.delivery(),
  });
  const heartbeat = openHeartbeatSender({
    ...options,
    clientId: options.identity.clientId,
    intervalMs: options.identity.heartbeatIntervalMs,
    kafka: courier(options.kafka),
    resourcesSent: () => options.collector?.sent() ?? 0,
    trouble: () =>
      enrolment === undefined || enrolment.written()
        ? troubleOf(standing.standing())
        : `registration ${enrolment.text()}`,
    changed: openTeller(log),
    beatSent: gauges.beatSent,
    beatLost: gauges.beatLost,
  });
  const http = serve({
    port: options.port,
    build: options.build,
    log,
    routes: (app) => {
      options.moreRoutes?.(app);
      routes({
        delivery: heartbeat.delivery,
        beats: gauges.beats,
        registration: () => registrationText(enrolment, standing.standing()),
        stopping: () => signal.aborted,
        metrics: options.metrics,
        clock,
      })(app);
    },
  });
  if (!http.ok) return { exit: EXIT.configuration, line: `PORT: ${http.error.detail}` };
  log.info("the agent runs", { client_id: options.identity.clientId, url: http.value.url });
  if (options.registers) {
    enrolment = startRegistration({ ...options, automatic: !options.reRegister, standing });
  }
  // A beat before the registration would count as one of an unregistered cluster.
  await enrolment?.tried;
  await Promise.all([
    heartbeat.run(signal),
    standing.run(heartbeat.ask, !options.registers),
    options.collector?.run(signal),
  ]);
  await enrolment?.ended;
  const outcome = await takeLeave(options, heartbeat);
  await http.value.close(HTTP_GRACE_MS);
  await options.kafka.client.close();
  await options.collector?.close();
  return outcome;
}

/** What the ledger says, or whether it was written; undefined if this agent does not register. */
function registrationText(
  task: RegistrationTask | undefined,
  standing: AgentStanding,
): string | undefined {
  const isKnown = standing.kind !== "unknown" && task?.written() !== false;
  return isKnown ? standingText(standing) : task?.text();
}

/** Why the control plane does not accept this cluster; each beat reports it. */
function troubleOf(standing: AgentStanding): string | undefined {
  const { kind } = standing;
  return kind === "unknown" || kind === "accepted"
    ? undefined
    : `registration ${standingText(standing)}`;
}

/**
 * The only round trip before the first beat finds the partition's leader; the topic is created only if that
 * fails.
 */
function courier({ client, producer }: Kafka): Parameters<typeof openHeartbeatSender>[0]["kafka"] {
  return {
    reach: async (again, call) => {
      if (again) client.forgetTopic(HEARTBEAT);
      const deadline = startDeadline(call);
      const count = await client.partitionCount(HEARTBEAT, deadline.call());
      if (count.ok || count.error.code !== "unknown-topic") return count;
      return ensureTopics(client, HEARTBEAT_TOPIC, deadline.call());
    },
    send: (record, call) => producer.send(HEARTBEAT, [record], call),
  };
}

async function takeLeave(
  options: HeartbeatCommandOptions,
  heartbeat: HeartbeatSender,
): Promise<CommandOutcome> {
  const { log } = options;
  const said = await heartbeat.sayStopping();
  log.info("the agent stops", { last_beat: said ? "sent" : "not sent: Kafka is away" });
  if (!options.deregisterOnExit) return { exit: EXIT.done, line: undefined };
  const withdrawn = await withdraw(options);
  if (withdrawn.ok) {
    log.info("withdrawn", { ...withdrawn.value });
    return { exit: EXIT.done, line: undefined };
  }
  const advice = "not withdrawn; run agent deregister";
  log.error(advice, { limit_ms: TOMBSTONE_MS_MAX, detail: withdrawn.error.detail });
  return { exit: EXIT.unconfirmed, line: undefined };
}

function withdraw({ identity, kafka }: HeartbeatCommandOptions) {
  const record = tombstoneRecord(identity);
  return retried(startDeadline({ deadlineMs: TOMBSTONE_MS_MAX }), async (call) => {
    const topicId = await findRegistry(kafka, call);
    if (!topicId.ok) return topicId;
    // Without a registry there is no record of ours to withdraw.
    if (topicId.value === undefined) return ok(undefined);
    return publish(kafka, { topicId: topicId.value, record }, call);
  });
}

/** One line per change, not one per beat. */
function openTeller(log: Log): (delivery: Delivery) => void {
  let kind: Delivery["kind"] = "connecting";
  let detail = "";
  return (now) => {
    if (now.kind === "down" && kind !== "down") {
      log.warn("heartbeats do not arrive; the newest is kept", { detail: now.detail });
    } else if (now.kind === "down" && now.detail !== detail) {
      log.debug("heartbeats still do not arrive", { detail: now.detail });
    } else if (now.kind === "up" && kind !== "up") log.info("heartbeats arrive");
    kind = now.kind;
    detail = now.kind === "down" ? now.detail : "";
  };
}
