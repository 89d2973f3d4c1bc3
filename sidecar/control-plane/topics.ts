/** Creates missing topics, and decides what the settings of existing ones mean. */

import { ensureTopics, type TopicReport } from "../../shared/kafka/admin/topics.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { Log } from "../../shared/log.ts";
import {
  CLUSTER_INFO,
  HEARTBEAT,
  REGISTRY,
  STATUS,
  topicPlans,
} from "../../shared/protocol/topic.ts";
import { ok, type Result } from "../../shared/result.ts";

const CALL_MS = 30_000;

export type TopicFindings = {
  /** Registrations may be missing from it: orphans are not stopped. */
  readonly registryHarmful: boolean;
  /** Why this control plane must not lead; undefined if it may. */
  readonly mustNotLead: string | undefined;
};

export async function prepareTopics(
  client: KafkaClient,
  heartbeatPartitions: number,
  log: Log,
): Promise<Result<TopicFindings, KafkaError>> {
  const plans = topicPlans(heartbeatPartitions);
  const reports = await ensureTopics(client, plans, { deadlineMs: CALL_MS });
  if (!reports.ok) return reports;
  const harmful = new Map<string, string>();
  for (const report of reports.value) {
    tell(report, log);
    const { name, config } = report;
    const harm = plans.find((plan) => plan.name === name)?.harmful(config ?? {});
    if (config !== undefined && harm !== undefined) {
      const mend = report.warnings.find(({ detail }) => detail.includes(harm))?.command;
      harmful.set(name, mend === undefined ? harm : `${harm}; to fix it: ${mend}`);
    }
    if (config === undefined && name === REGISTRY) harmful.set(name, "it could not be described");
  }
  sayFewer(reports.value, heartbeatPartitions, log);
  const blocking = [STATUS, HEARTBEAT].find((name) => harmful.has(name));
  return ok({
    registryHarmful: harmful.has(REGISTRY) || harmful.has(STATUS),
    mustNotLead: blocking === undefined ? undefined : `${blocking}: ${harmful.get(blocking)}`,
  });
}

function tell(report: TopicReport, log: Log): void {
  const { name, created, partitions, warnings } = report;
  if (created) log.info("made a topic", { topic: name, partitions });
  for (const { detail, command } of warnings) {
    log.warn(`topic ${name}: ${detail}`, { topic: name, mend_with: command });
  }
  warnOfShortTombstones(report, log);
  if (name !== REGISTRY || partitions === 1) return;
  log.warn(
    `topic ${name} has ${partitions} partitions: other clients partition differently, so that a ` +
      "tombstone and its registration can be in different ones; ours has one",
    { topic: name, partitions },
  );
}

/** The first program creates it, and an agent only knows the default of TOPIC_PARTITIONS. */
function sayFewer(reports: readonly TopicReport[], wanted: number, log: Log): void {
  const partitions = reports.find(({ name }) => name === HEARTBEAT)?.partitions ?? wanted;
  if (partitions >= wanted) return;
  log.warn(
    `topic ${HEARTBEAT} has ${partitions} partitions, and TOPIC_PARTITIONS is ${wanted}: an agent created it, or it was created with fewer; beats are read all the same`,
    {
      topic: HEARTBEAT,
      mend_with: `kafka-topics.sh --bootstrap-server <broker> --alter --topic ${HEARTBEAT} --partitions ${wanted}`,
    },
  );
}

const TOMBSTONE_SETTING = "delete.retention.ms";
/** As in the topics that we create: a control plane that was away for a week still learns what was withdrawn. */
const TOMBSTONE_MIN_MS = 7 * 24 * 3_600_000;

/** In a topic that somebody else created, Kafka's default of a day is short. */
function warnOfShortTombstones({ name, config }: TopicReport, log: Log): void {
  if (config === undefined || (name !== REGISTRY && name !== CLUSTER_INFO)) return;
  const keptMs = Number(config[TOMBSTONE_SETTING] ?? Number.NaN);
  const isCompacted = config["cleanup.policy"]?.includes("compact") === true;
  if (!isCompacted || !(keptMs < TOMBSTONE_MIN_MS)) return;
  const setting = `${TOMBSTONE_SETTING}=${TOMBSTONE_MIN_MS}`;
  log.warn(
    `topic ${name} keeps a tombstone for ${keptMs} ms after compaction (${TOMBSTONE_SETTING}); a control plane that is ` +
      "away for longer never learns of it: a withdrawn cluster then ends by silence",
    {
      topic: name,
      mend_with: `kafka-configs.sh --bootstrap-server <broker> --alter --entity-type topics --entity-name ${name} --add-config ${setting}`,
    },
  );
}
