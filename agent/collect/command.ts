/** `agent collect`, and the collector beside the heartbeats: from a configuration to a running collector. */
import type { BuildInfo } from "../../shared/build-info.ts";
import type { Clock } from "../../shared/clock.ts";
import type { KafkaConfig } from "../../shared/config/kafka.ts";
import { kafkaSettings } from "../../shared/config/kafka.ts";
import { EXIT, type ExitCode } from "../../shared/exit.ts";
import { serve } from "../../shared/http.ts";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { exitCodeOf } from "../../shared/kafka/error.ts";
import { kafkaLog } from "../../shared/kafka/log.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { openCredentials } from "../../shared/kubernetes/credentials.ts";
import { CLUSTER_NAMESPACE, namespaceUid } from "../../shared/kubernetes/namespace-uid.ts";
import { openTransport } from "../../shared/kubernetes/transport.ts";
import type { Log } from "../../shared/log.ts";
import type { Metrics } from "../../shared/metrics.ts";
import { openProcessMetrics } from "../../shared/process-metrics.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type CollectEnd, type Collector, openCollector } from "./collector.ts";
import type { CollectConfig } from "./config.ts";
import type { CollectMode } from "./life.ts";
import { collectRoutes, commandRoutes } from "./routes.ts";
import { openClaimNotes } from "./send/claim-note.ts";

const HTTP_GRACE_MS = 500;

export type CollectOptions = {
  readonly clientId: ClientId;
  readonly config: CollectConfig & KafkaConfig;
  readonly mode: CollectMode;
  readonly metrics: Metrics;
  readonly build: BuildInfo;
  readonly log: Log;
  readonly clock: Clock;
};

/** What stays open until its owner closes it. */
export type OpenCollector = Collector & { readonly close: () => Promise<void> };

/** An error is one of configuration. */
export function openCollect(options: CollectOptions): Result<OpenCollector, string> {
  const { clientId, config, log, build } = options;
  const credentials = openCredentials({ kubeconfig: config.kubeconfig });
  if (!credentials.ok) return err(credentials.error);
  const transport = openTransport(credentials.value, `outrider-agent/${build.version}`);
  // Connections of its own: a large batch must not hold up a heartbeat.
  const settings = kafkaSettings(config, `outrider-collect-${clientId}`);
  const client = openKafkaClient(settings, { log: kafkaLog(log) });
  const producer = openProducer({ client, log: kafkaLog(log) });
  const collector = openCollector({
    ...options,
    client,
    producer,
    transport,
    claims: openClaimNotes(client, clientId, config.kafkaTopic),
    agentVersion: build.version,
    clusterUid: async (signal) => {
      const uid = await namespaceUid(transport, CLUSTER_NAMESPACE, signal);
      if (!uid.ok) log.debug("the cluster's uid is not known", { detail: uid.error.detail });
      return uid.ok ? uid.value : undefined;
    },
  });
  return ok({ ...collector, close: () => client.close() });
}

export type CollectOutcome = { readonly exit: ExitCode; readonly line: string | undefined };

export type CollectCommandOptions = Omit<CollectOptions, "metrics"> & {
  readonly port: number;
  /** Of `--mode once`. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

export async function runCollect(options: CollectCommandOptions): Promise<CollectOutcome> {
  const metrics = openProcessMetrics();
  const collector = openCollect({ ...options, metrics });
  if (!collector.ok) return { exit: EXIT.configuration, line: collector.error };
  const outcome =
    options.mode === "once"
      ? await collectOnce(options, collector.value)
      : await collectOn(options, collector.value, metrics);
  await collector.value.close();
  return outcome;
}

async function collectOn(
  { port, build, log, signal }: CollectCommandOptions,
  collector: Collector,
  metrics: Metrics,
): Promise<CollectOutcome> {
  const http = serve({
    port,
    build,
    log,
    routes: (app) => {
      commandRoutes({ metrics, stopping: () => signal.aborted })(app);
      collectRoutes(collector)(app);
    },
  });
  if (!http.ok) return { exit: EXIT.configuration, line: `PORT: ${http.error.detail}` };
  log.info("the collector runs", { url: http.value.url });
  await collector.run(signal);
  await http.value.close(HTTP_GRACE_MS);
  return { exit: EXIT.done, line: undefined };
}

async function collectOnce(
  { timeoutMs, signal }: CollectCommandOptions,
  collector: Collector,
): Promise<CollectOutcome> {
  const late = AbortSignal.timeout(timeoutMs);
  const end = await collector.run(AbortSignal.any([signal, late]));
  const line = endText(end, collector.sent());
  if (end.kafka !== undefined) {
    return { exit: exitCodeOf(end.kafka), line: `not collected: ${end.kafka.detail}` };
  }
  if (end.supersededBy !== undefined) {
    const other = `another agent began to collect for this client id (life ${end.supersededBy})`;
    return { exit: EXIT.unconfirmed, line: `${other}: ${line}` };
  }
  if (end.kinds.length > 0 && end.kinds.every((kind) => kind.isSettled())) {
    const isAllRefused = end.kinds.every((kind) => !kind.hasClosed());
    return { exit: isAllRefused ? EXIT.refused : EXIT.done, line };
  }
  const limit = late.aborted ? `not closed within ${Math.round(timeoutMs / 1000)} s` : "stopped";
  return { exit: EXIT.unconfirmed, line: `${limit}: ${line}` };
}

/** `collected 812 objects of 8 kinds in 830 records; secrets: forbidden: …` */
function endText({ kinds }: CollectEnd, records: number): string {
  const closed = kinds.filter((kind) => kind.hasClosed());
  const objects = closed.reduce((sum, kind) => sum + kind.count(), 0);
  const open = kinds
    .filter((kind) => !kind.hasClosed() || kind.state().state !== "collected")
    .map((kind) => {
      const state = kind.state();
      return state.state === "collected"
        ? `${kind.kind.kind}: not closed`
        : `${kind.kind.kind}: ${state.state}: ${state.detail}`;
    });
  const done = `collected ${objects} objects of ${closed.length} kinds in ${records} records`;
  return [done, ...open].join("; ");
}
