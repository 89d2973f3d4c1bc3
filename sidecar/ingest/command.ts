/** From an environment to the running `sidecar ingest`: one cluster's worker with CLIENT_ID, else the one that stores. */
import { openCommandLog } from "../../shared/cli/log.ts";
import { configured, type Shell } from "../../shared/cli/shell.ts";
import { kafkaSettings } from "../../shared/config/kafka.ts";
import { postgresSettings } from "../../shared/config/postgres.ts";
import type { ExitCode } from "../../shared/exit.ts";
import { kafkaLog } from "../../shared/kafka/log.ts";
import { type IngestConfig, readIngestConfig } from "./config.ts";
import { runIngest } from "./ingest.ts";
import type { Listen, ListenOptions } from "./servers.ts";
import type { UpkeepSettings } from "./store/upkeep.ts";
import { runWorker } from "./worker/worker.ts";

const SERVER_PORT = 8083;

export const startIngest = (shell: Shell): Promise<ExitCode> =>
  configured(shell, readIngestConfig(shell.environment, shell.host), (config) => {
    const { clientId, kafkaGroup: group, kafkaTopic: topic } = config;
    const { signal } = shell;
    const log = openCommandLog(shell, config, "stderr").with({ program: "ingest" });
    if (clientId !== undefined) {
      const kafka = kafkaSettings(config, `outrider-ingest-${clientId}`);
      const own = log.with({ client_id: clientId });
      return runWorker({
        kafka,
        clientId,
        group,
        topic,
        log: own,
        kafkaLog: kafkaLog(own),
        signal,
      });
    }
    const { build, clock } = shell;
    const { nowMs, monotonicMs, random } = clock;
    return runIngest({
      kafka: kafkaSettings(config, "outrider-ingest"),
      database: postgresSettings(config),
      topicPartitions: config.topicPartitions,
      ...{ topic, group, log, build, nowMs, monotonicMs, random, signal },
      listen: listening(config, shell),
      upkeep: upkeep(config),
    });
  });

function listening(config: IngestConfig, { host }: Shell): ListenOptions {
  const { serverHost, serverPort, apiAddress, apiTokensFile: file } = config;
  const own: Listen = { host: serverHost, port: serverPort ?? SERVER_PORT };
  const isOne = apiAddress === undefined || apiAddress.port === own.port;
  return {
    addresses: isOne ? [own] : [own, apiAddress],
    isOpen: config.apiAuth === "none",
    readTokens: () => (file === undefined ? undefined : host.readFile(file)),
  };
}

const upkeep = (config: IngestConfig): UpkeepSettings => ({
  snapshotIntervalMs: config.snapshotIntervalMs,
  retention: config.retentionEnabled
    ? {
        maxAgeMs: config.retentionMaxAgeMs,
        maxSnapshots: config.retentionMaxSnapshots,
        intervalMs: config.retentionIntervalMs,
        batch: config.retentionBatch,
      }
    : undefined,
});
