/** Operations on the workers' consumer groups, with Kafka's answers in the form that the leader needs. */
import type { Call } from "../../../shared/deadline.ts";
import { deleteGroup, describeGroup } from "../../../shared/kafka/admin/groups.ts";
import type { GroupMember } from "../../../shared/kafka/api/describe-groups.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Log } from "../../../shared/log.ts";
import type { KeptOffsets } from "../../../shared/protocol/ledger-facts.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { strayOf, strayText } from "../fleet/stray.ts";
import type { ActError } from "../plan/act.ts";
import { putBackOffsets, readOffsets } from "./kept-offsets.ts";

const CALL_MS = 5_000;

export type Groups = {
  readonly delete: (group: string, signal: AbortSignal) => Promise<Result<null, ActError>>;
  /** Of each that was asked for. */
  readonly readOffsets: (
    groups: readonly string[],
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, Result<KeptOffsets, KafkaError>>>;
  readonly members: (
    group: string,
    signal: AbortSignal,
  ) => Promise<Result<readonly GroupMember[], KafkaError>>;
  /** Never fails: errors are logged. */
  readonly putBackOffsets: (group: string, kept: KeptOffsets, call: Call) => Promise<void>;
};

export function openGroups(client: KafkaClient, log: Log, nowMs: () => number): Groups {
  const members: Groups["members"] = async (group, signal) => {
    const described = await describeGroup(client, group, { deadlineMs: CALL_MS, signal });
    return described.ok ? ok(described.value.members) : described;
  };
  return {
    members,
    delete: async (group, signal) => {
      const deleted = await deleteGroup(client, group, { deadlineMs: CALL_MS, signal });
      if (deleted.ok) return deleted;
      const { code, detail } = deleted.error;
      if (code !== "group-not-empty") return err({ code: "kafka", detail });
      const found = await members(group, signal);
      if (!found.ok) return err({ code, detail: `${detail}; ${found.error.detail}` });
      const named = strayText(group, strayOf(found.value, undefined, nowMs()));
      return err({ code, detail: `${named}; stop it: ${detail}`, members: found.value });
    },
    readOffsets: (groups, signal) =>
      readOffsets(client, groups, nowMs(), { deadlineMs: CALL_MS, signal }),
    putBackOffsets: async (group, kept, call) => {
      const done = await putBackOffsets(client, group, kept, call);
      if (!done.ok) {
        log.warn(
          "the offsets of a group could not be committed again; if Kafka has forgotten them, its worker " +
            "begins where its settings say",
          { group, kept: kept.read_at, error: done.error.detail },
        );
      } else if (done.value.partitions > 0) {
        log.info("committed the offsets of a group again that Kafka had forgotten", {
          group,
          ...done.value,
        });
      } else log.debug("committed no offsets again", { group, detail: done.value.detail });
    },
  };
}
