/** The last step of a term: writes what was done before its end. */
import { sleep } from "../../../shared/clock.ts";
import type { Producer } from "../../../shared/kafka/producer/producer.ts";
import { AUDIT } from "../../../shared/protocol/topic.ts";
import { auditRecord } from "../record/audit.ts";
import type { LeaderState } from "../state/leader-state.ts";

const FLUSH_MS = 1_000;
const FLUSH_STEP_MS = 20;

/** Acts under way get a short time to end, their outcomes one write. */
export async function flushAudits(leaderState: LeaderState, producer: Producer): Promise<void> {
  for (
    let waitedMs = 0;
    leaderState.busy.size > 0 && waitedMs < FLUSH_MS;
    waitedMs += FLUSH_STEP_MS
  ) {
    await sleep(FLUSH_STEP_MS);
  }
  const audits = leaderState.audits.splice(0).map(auditRecord);
  if (audits.length > 0) await producer.send(AUDIT, audits, { deadlineMs: FLUSH_MS });
}
