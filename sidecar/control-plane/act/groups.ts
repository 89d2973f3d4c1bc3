/** What is done to the workers' consumer groups: Kafka's answers as the leader needs them. */
import { deleteGroup } from "../../../shared/kafka/admin/groups.ts";
import type { Call } from "../../../shared/kafka/api/request.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Log } from "../../../shared/log.ts";
import type { KeptOffsets } from "../../../shared/protocol/ledger-facts.ts";
import { err, type Result } from "../../../shared/result.ts";
import type { ActError } from "./execute.ts";
import { putBackOffsets, readOffsets } from "./kept-offsets.ts";

const CALL_MS = 5_000;

export type Groups = {
  readonly delete: (group: string, signal: AbortSignal) => Promise<Result<null, ActError>>;
  readonly readOffsets: (
    group: string,
    signal: AbortSignal,
  ) => Promise<Result<KeptOffsets, KafkaError>>;
  /** Never fails: what went wrong is said. */
  readonly putBackOffsets: (group: string, kept: KeptOffsets, call: Call) => Promise<void>;
};

export function openGroups(client: KafkaClient, log: Log, nowMs: () => number): Groups {
  return {
    delete: async (group, signal) => {
      const deleted = await deleteGroup(client, group, { deadlineMs: CALL_MS, signal });
      if (deleted.ok) return deleted;
      const code = deleted.error.code === "group-not-empty" ? "group-not-empty" : "kafka";
      return err({ code, detail: deleted.error.detail });
    },
    readOffsets: (group, signal) =>
      readOffsets(client, group, nowMs(), { deadlineMs: CALL_MS, signal }),
    putBackOffsets: async (group, kept, call) => {
      const done = await putBackOffsets(client, group, kept, call);
      if (!done.ok) {
        log.warn(
          "the offsets of a group could not be put back; if Kafka has forgotten them, its worker " +
            "begins where its settings say",
          { group, kept: kept.read_at, error: done.error.detail },
        );
      } else if (done.value.partitions > 0) {
        log.info("put back the offsets of a group that Kafka had forgotten", {
          group,
          ...done.value,
        });
      } else log.debug("put back no offsets", { group, detail: done.value.detail });
    },
  };
}
