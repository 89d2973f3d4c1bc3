/**
 * One cluster's worker: joins `kg-builder-<id>`, counts the records of its own cluster, compares its marks with what
 * it has seen, and commits. It stores nothing: that is the shared group's matter.
 *
 * Keys are `<client id>/<kind>/<uid>`; records of other clusters share the partitions and are passed
 * over. An offset is committed when the batch has been counted: after a crash a batch may be counted
 * twice, none is left out.
 *
 * Once it has begun, an outage of Kafka does not end it, however long: it ends on what waiting does not
 * heal (a refusal of its password or permissions, a setting, a defect). One that cannot begin ends: wrong
 * settings must be seen.
 */
import { withDeadline } from "../../../shared/deadline.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import {
  type GroupBatch,
  type GroupConsumer,
  runGroupConsumer,
} from "../../../shared/kafka/consumer/group-consumer.ts";
import { exitCodeOf, kafkaErrorOf } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import type { KafkaSettings } from "../../../shared/kafka/settings.ts";
import type { Log } from "../../../shared/log.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { decodeClusterInfo } from "../../../shared/protocol/cluster-info.ts";
import { type MarkCheck, openMarkChecks } from "./mark-check.ts";

/** After a kill the group is empty this much later, and can be deleted. */
const SESSION_TIMEOUT_MS = 10_000;
const LEAVE_MS = 5_000;

export type WorkerOptions = {
  readonly kafka: KafkaSettings;
  readonly clientId: ClientId;
  readonly group: string;
  readonly topic: string;
  readonly log: Log;
  readonly kafkaLog: KafkaLog;
  readonly signal: AbortSignal;
};

export async function runWorker(options: WorkerOptions): Promise<ExitCode> {
  const { clientId, group, topic, log, signal } = options;
  const ended = Promise.withResolvers<ExitCode>();
  signal.addEventListener("abort", () => ended.resolve(EXIT.done), { once: true });
  const count = openCount(clientId, log);
  // Before the first batch can be counted: whoever reads the log counts from this line on.
  log.info("ingesting", { client_id: clientId, group, topic });
  let consumer: GroupConsumer;
  try {
    consumer = await runGroupConsumer({
      kafka: options.kafka,
      groupId: group,
      topic,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      onBatch: count.take,
      onEnd: (error) => {
        log.error("ends, for waiting does not heal this", { error: error.detail });
        ended.resolve(exitCodeOf(error));
      },
      log: options.kafkaLog,
      signal,
    });
  } catch (cause) {
    const error = kafkaErrorOf(cause, `consume ${topic} in group ${group}`);
    log.error("could not begin", { error: error.detail });
    return exitCodeOf(error);
  }
  const code = await ended.promise;
  await leave(consumer, log);
  log.info("stopped", { client_id: clientId, counted: count.counted() });
  return code;
}

type Message = GroupBatch["batch"]["messages"][number];

function openCount(clientId: ClientId, log: Log) {
  const prefix = `${clientId}/`;
  const marks = openMarkChecks();
  let counted = 0;
  let passedOver = 0;

  const see = (message: Message) => {
    if (message.key?.toString().startsWith(prefix) !== true) {
      passedOver += 1;
      return;
    }
    counted += 1;
    const read = decodeClusterInfo(message.key, message.value, headerTexts(message));
    const mark = read.ok ? marks.see(read.value) : undefined;
    if (mark !== undefined) showMark(mark, log);
  };

  return {
    counted: () => counted,
    take: async (payload: GroupBatch) => {
      const { batch, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets } = payload;
      for (const message of batch.messages) {
        see(message);
        resolveOffset(message.offset);
      }
      await commitOffsetsIfNecessary(uncommittedOffsets());
      log.info("counted", { partition: batch.partition, counted, passed_over: passedOver });
      await payload.heartbeat();
    },
  };
}

function showMark(mark: MarkCheck, log: Log): void {
  if (mark.equal === false) log.warn("a mark counts other objects than were seen", mark);
  else log.info("mark", mark);
}

function headerTexts({ headers = {} }: Message): Readonly<Record<string, string>> {
  const last = (value: unknown) => String(Array.isArray(value) ? value.at(-1) : (value ?? ""));
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, last(value)]));
}

/** Leaving the group lets it be deleted at once; without it that waits for the session to end. */
async function leave(consumer: GroupConsumer, log: Log): Promise<void> {
  try {
    await withDeadline(consumer.disconnect(), LEAVE_MS, "leaving the group");
  } catch (cause) {
    log.warn("could not leave the group", { error: cause });
  }
}
