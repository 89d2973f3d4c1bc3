/**
 * `sidecar ingest`, first form: one cluster's worker. Joins `kg-builder-<id>`, reads `cluster-info`,
 * counts the records of its own cluster, and commits. Storing them follows.
 *
 * Keys are `<client id>/<kind>/<uid>`; records of other clusters share the partitions and are passed
 * over. An offset is committed when the batch has been counted: after a crash a batch may be counted
 * twice, none is left out.
 *
 * Once it has begun, an outage of Kafka does not end it, however long: it ends on what waiting does not
 * heal (a refusal of its password or permissions, a setting, a defect). One that cannot begin ends: wrong
 * settings must be seen.
 */
import { openCommandLog } from "../../shared/cli/log.ts";
import { configured, type Shell } from "../../shared/cli/shell.ts";
import { kafkaSettings } from "../../shared/config/kafka.ts";
import { withDeadline } from "../../shared/deadline.ts";
import { EXIT, type ExitCode } from "../../shared/exit.ts";
import {
  type GroupConsumer,
  runGroupConsumer,
} from "../../shared/kafka/consumer/group-consumer.ts";
import { exitCodeOf, kafkaErrorOf } from "../../shared/kafka/error.ts";
import { type KafkaLog, kafkaLog } from "../../shared/kafka/log.ts";
import type { KafkaSettings } from "../../shared/kafka/settings.ts";
import type { Log } from "../../shared/log.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { readIngestConfig } from "./config.ts";

/** After a kill the group is empty this much later, and can be deleted. */
const SESSION_TIMEOUT_MS = 10_000;
const LEAVE_MS = 5_000;

type IngestOptions = {
  readonly kafka: KafkaSettings;
  readonly clientId: ClientId;
  readonly group: string;
  readonly log: Log;
  readonly kafkaLog: KafkaLog;
  readonly signal: AbortSignal;
};

export const startIngest = (shell: Shell): Promise<ExitCode> =>
  configured(shell, readIngestConfig(shell.environment, shell.host), (config) => {
    const { clientId, kafkaGroup: group } = config;
    const log = openCommandLog(shell, config, "stderr").with({
      program: "ingest",
      client_id: clientId,
    });
    const kafka = kafkaSettings(config, `outrider-ingest-${clientId}`);
    return runIngest({
      kafka,
      clientId,
      group,
      log,
      kafkaLog: kafkaLog(log),
      signal: shell.signal,
    });
  });

async function runIngest(options: IngestOptions): Promise<ExitCode> {
  const { clientId, group, log, signal } = options;
  const ended = Promise.withResolvers<ExitCode>();
  signal.addEventListener("abort", () => ended.resolve(EXIT.done), { once: true });
  let counted = 0;
  let passedOver = 0;
  const prefix = `${clientId}/`;
  // Before the first batch can be counted: whoever reads the log counts from this line on.
  log.info("ingesting", { client_id: clientId, group, topic: CLUSTER_INFO });
  let consumer: GroupConsumer;
  try {
    consumer = await runGroupConsumer({
      kafka: options.kafka,
      groupId: group,
      topic: CLUSTER_INFO,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      onBatch: async (payload) => {
        const { batch, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets } = payload;
        for (const { key, offset } of batch.messages) {
          if (key?.toString().startsWith(prefix) === true) counted += 1;
          else passedOver += 1;
          resolveOffset(offset);
        }
        await commitOffsetsIfNecessary(uncommittedOffsets());
        log.info("counted", { partition: batch.partition, counted, passed_over: passedOver });
        await payload.heartbeat();
      },
      onEnd: (error) => {
        log.error("ends, for waiting does not heal this", { error: error.detail });
        ended.resolve(exitCodeOf(error));
      },
      log: options.kafkaLog,
      signal,
    });
  } catch (cause) {
    const error = kafkaErrorOf(cause, `consume ${CLUSTER_INFO} in group ${group}`);
    log.error("could not begin", { error: error.detail });
    return exitCodeOf(error);
  }
  const code = await ended.promise;
  await leave(consumer, log);
  log.info("stopped", { client_id: clientId, counted });
  return code;
}

/** Leaving the group lets it be deleted at once; without it that waits for the session to end. */
async function leave(consumer: GroupConsumer, log: Log): Promise<void> {
  try {
    await withDeadline(consumer.disconnect(), LEAVE_MS, "leaving the group");
  } catch (cause) {
    log.warn("could not leave the group", { error: cause });
  }
}
