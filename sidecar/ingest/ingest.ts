/**
 * `sidecar ingest` as the one that stores: the group `cluster-info-consumer`, any number of members, one database.
 * HTTP answers at once; the database and the topic are waited for, however long they take.
 */
import type { BuildInfo } from "../../shared/build-info.ts";
import { EXIT, type ExitCode } from "../../shared/exit.ts";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { kafkaLog } from "../../shared/kafka/log.ts";
import type { KafkaSettings } from "../../shared/kafka/settings.ts";
import type { Log } from "../../shared/log.ts";
import type { Metrics } from "../../shared/metrics.ts";
import { openPostgres, type Postgres } from "../../shared/postgres/postgres.ts";
import type { PostgresSettings } from "../../shared/postgres/settings.ts";
import { openProcessMetrics } from "../../shared/process-metrics.ts";
import { openPartitions } from "./consume/partitions.ts";
import { startReading, type TopicReading } from "./consume/reading.ts";
import { type IngestMetrics, ingestMetrics } from "./metrics.ts";
import type { IngestHealth } from "./routes.ts";
import { type ListenOptions, openServers } from "./servers.ts";
import { openDatabaseHealth, openSchema, type SchemaDeps, watchDatabase } from "./store/open.ts";
import type { AppliedSlice } from "./store/transaction.ts";
import { runUpkeep, type UpkeepSettings } from "./store/upkeep.ts";

const HTTP_GRACE_MS = 2_000;
/** One for each partition that is stored at a time, and one for what is done beside it. */
const CONNECTIONS_MAX = 4;

export type IngestOptions = {
  readonly kafka: KafkaSettings;
  readonly database: PostgresSettings;
  readonly topic: string;
  /** With which it is made where it is missing. */
  readonly topicPartitions: number;
  readonly group: string;
  readonly listen: ListenOptions;
  readonly upkeep: UpkeepSettings;
  readonly build: BuildInfo;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly signal: AbortSignal;
};

type Parts = {
  readonly postgres: Postgres;
  /** Of the API: what a slow question does to its pool must not reach who stores. */
  readonly api: Postgres;
  /** Of who looks whether the database answers. */
  readonly watch: Postgres;
  readonly metrics: Metrics;
  readonly own: IngestMetrics;
  readonly schema: SchemaDeps;
  /** Undefined until the database is ready and the topic is there. */
  reading: TopicReading | undefined;
  isMigrated: boolean;
};

export async function runIngest(options: IngestOptions): Promise<ExitCode> {
  const { log } = options;
  const parts = openParts(options);
  const { metrics, api } = parts;
  const servers = openServers(options.listen, {
    ...{ metrics, health: () => healthOf(parts), postgres: api, build: options.build, log },
    answered: (isOk) => parts.own.operation("query", isOk),
  });
  if (!servers.ok) {
    log.error(servers.error);
    return EXIT.configuration;
  }
  log.info("ingesting", { group: options.group, topic: options.topic });
  const code = await storeAll(options, parts);
  await Promise.all(servers.value.map((server) => server.close(HTTP_GRACE_MS)));
  await Promise.all([parts.postgres, api, parts.watch].map((each) => each.close()));
  log.info("stopped");
  return code;
}

function openParts({ database, log, random, signal }: IngestOptions): Parts {
  const open = (applicationName: string, connectionsMax = CONNECTIONS_MAX) =>
    openPostgres({ settings: database, applicationName, connectionsMax });
  const postgres = open("outrider-ingest");
  const metrics = openProcessMetrics();
  const parts: Parts = {
    ...{
      postgres,
      api: open("outrider-ingest-api"),
      watch: open("outrider-ingest-watch", 1),
      metrics,
      reading: undefined,
      isMigrated: false,
    },
    own: ingestMetrics(metrics, () => parts.reading?.partitions().lags() ?? []),
    schema: { postgres, health: openDatabaseHealth(log), log, random, signal },
  };
  return parts;
}

function healthOf({ isMigrated, schema, reading }: Parts): IngestHealth {
  const database = schema.health.error()?.detail;
  if (!isMigrated) return { ready: false, detail: database ?? "waiting for the database" };
  if (database !== undefined) return { ready: false, detail: database };
  if (reading === undefined) return { ready: false, detail: "waiting for Kafka and the topic" };
  const trouble = reading.trouble();
  return trouble === undefined
    ? { ready: true, detail: "storing" }
    : { ready: false, detail: trouble };
}

/** Until the signal comes, or waiting heals nothing. */
async function storeAll(options: IngestOptions, parts: Parts): Promise<ExitCode> {
  const { log, signal } = options;
  const opened = await openSchema(parts.schema);
  if (!opened.ok) {
    log.error("this program and this database do not fit", { error: opened.error.detail });
    return EXIT.configuration;
  }
  parts.isMigrated = true;
  const { postgres, own } = parts;
  const watching = watchDatabase({ postgres: parts.watch, health: parts.schema.health, signal });
  const upkeep = runUpkeep({
    ...{ postgres, settings: options.upkeep, operation: own.operation, log, signal },
    monotonicMs: options.monotonicMs,
  });
  const client = openKafkaClient(options.kafka, { log: kafkaLog(log) });
  parts.reading = await startReading({
    ...{
      client,
      topic: options.topic,
      topicPartitions: options.topicPartitions,
      groupId: options.group,
      log,
      kafkaLog: kafkaLog(log),
      signal,
    },
    monotonicMs: options.monotonicMs,
    partitions: (consumer) =>
      openPartitions({
        ...{ postgres: parts.postgres, nowMs: options.nowMs, random: options.random },
        ...{ topic: options.topic, consumer, health: parts.schema.health, log },
        repair: async () => void (await openSchema(parts.schema)),
        operation: parts.own.operation,
        applied: (partition, applied) => show(options, parts, partition, applied),
      }),
  });
  await ending(signal);
  await parts.reading?.close();
  await Promise.all([upkeep, watching]);
  await client.close();
  return EXIT.done;
}

function show(
  { log, nowMs }: IngestOptions,
  parts: Parts,
  partition: number,
  applied: AppliedSlice,
) {
  const { lastAtMs, records, deadLetters, foreign, checked } = applied;
  parts.own.applied(applied, lastAtMs === undefined ? undefined : (nowMs() - lastAtMs) / 1000);
  log.debug("stored", { partition, records, ...(foreign > 0 ? { foreign } : {}) });
  for (const { offset, letter } of deadLetters) {
    log.warn("a record was not taken", { partition, offset, ...letter });
  }
  for (const { clientId, kind, equal, closed } of checked) {
    const fields = { client_id: clientId, kind, closed };
    if (equal === false) log.error("the rows are not what the agent has", fields);
    else log.debug("mark", { ...fields, equal });
  }
}

const ending = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
