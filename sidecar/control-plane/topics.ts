/** Making the topics that are absent, and what follows from how the existing ones are made. */

import { ensureTopics, type TopicReport } from "../../shared/kafka/admin/topics.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { Log } from "../../shared/log.ts";
import { HEARTBEAT, REGISTRY, STATUS, topicPlans } from "../../shared/protocol/topic.ts";
import { ok, type Result } from "../../shared/result.ts";

const CALL_MS = 30_000;

export type TopicFindings = {
  /** Registrations may be missing from it: orphans are not stopped. */
  readonly registryHarmful: boolean;
  /** Why this control plane must not lead; undefined when it may. */
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
      harmful.set(name, mend === undefined ? harm : `${harm}; to mend it: ${mend}`);
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

function tell({ name, created, partitions, warnings }: TopicReport, log: Log): void {
  if (created) log.info("made a topic", { topic: name, partitions });
  for (const { detail, command } of warnings) {
    log.warn(`topic ${name}: ${detail}`, { topic: name, mend_with: command });
  }
  if (name !== REGISTRY || partitions === 1) return;
  log.warn(
    `topic ${name} has ${partitions} partitions: other clients partition differently, so that a ` +
      "tombstone can lie away from its registration; ours has one",
    { topic: name, partitions },
  );
}

/** Who comes first makes it, and an agent knows the default of TOPIC_PARTITIONS alone. */
function sayFewer(reports: readonly TopicReport[], wanted: number, log: Log): void {
  const partitions = reports.find(({ name }) => name === HEARTBEAT)?.partitions ?? wanted;
  if (partitions >= wanted) return;
  log.warn(
    `topic ${HEARTBEAT} has ${partitions} partitions, and TOPIC_PARTITIONS is ${wanted}: an agent came first, or it was made with less; beats are read all the same`,
    {
      topic: HEARTBEAT,
      mend_with: `kafka-topics.sh --bootstrap-server <broker> --alter --topic ${HEARTBEAT} --partitions ${wanted}`,
    },
  );
}
