/** How long Kafka keeps the offsets of an empty group, and what that means for clusters. */
import { brokerSetting } from "../../shared/kafka/admin/topic-configs.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import type { Log } from "../../shared/log.ts";

const SETTING = "offsets.retention.minutes";
const CALL_MS = 10_000;
const MINUTE_MS = 60_000;
/** Kafka's default. With less, offsets may be gone after a long weekend. */
const RETENTION_MIN_MS = 7 * 24 * 60 * MINUTE_MS;

/** Warns if it is short. No permission to read it is no problem: Kafka's default is long enough. */
export async function warnOfOffsetRetention(client: KafkaClient, log: Log): Promise<void> {
  const read = await brokerSetting(client, SETTING, { deadlineMs: CALL_MS });
  if (!read.ok) {
    log.debug(`${SETTING} is not known`, { detail: read.error.detail });
    return;
  }
  const minutes = Number(read.value);
  if (read.value === "" || !(minutes * MINUTE_MS < RETENTION_MIN_MS)) return;
  log.warn(
    `Kafka forgets the offsets of a group ${minutes} minutes after its last member has left. Those of ` +
      "dead clusters are kept in the ledger and committed again. Not kept are those of workers that cannot run " +
      "for longer (crash loop, blocked), or that end while no control plane runs: they begin where " +
      "their settings say",
    { setting: SETTING, minutes, mend_with: `${SETTING}=10080 in the brokers' server.properties` },
  );
}
