/** The ledger's present content, read once without following it: for the operator's commands and `--plan`. */

import { readToEnd, type Source } from "../../../shared/kafka/consumer/read-until.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { decodeLedger } from "../../../shared/protocol/ledger.ts";
import { STATUS } from "../../../shared/protocol/topic.ts";
import { ok, type Result } from "../../../shared/result.ts";
import { createFleet, type Fleet } from "../fleet/fleet.ts";
import { foldLedger } from "../fleet/ledger.ts";
import { describe } from "../registry/admission.ts";

/** A replay of 100,000 clusters takes seconds. */
export const READ_CALL = { deadlineMs: 60_000 } as const;

/** The present ledger, folded; empty if no control plane has created one yet. */
export async function readLedger(source: Source): Promise<Result<Fleet, KafkaError>> {
  const fleet = createFleet();
  const read = await readToEnd(source, STATUS, READ_CALL, ({ records }) => {
    for (const { key, value } of records) {
      const entry = decodeLedger(key, value);
      if (entry.ok) foldLedger(fleet, entry.value, describe);
    }
  });
  return read.ok || read.error.code === "unknown-topic" ? ok(fleet) : read;
}
