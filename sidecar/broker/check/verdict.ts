/** Makes the verdicts of a check, and those for a reading that failed. */
import { err, ok, type Result } from "../../../shared/result.ts";
import type { Reading } from "../snapshot.ts";
import type { CheckName, CheckStatus, Verdict } from "./check.ts";

/** The likely reason when a broker lists no log directory. */
export const NONE_NAMED = "no directory named (missing permission: DESCRIBE on cluster?)";

/** Makes the verdicts of one check. */
export const verdictsOf =
  (check: CheckName) =>
  (status: CheckStatus, reason: string, durationMs: number): Verdict => ({
    ...{ check, status, reason, durationMs },
  });

/** What was read; else the verdict: `unknown` if it could not be read, `skipped` if there is nothing to read. */
export function readOr<T>(
  check: CheckName,
  reading: Reading<T>,
): Result<Extract<Reading<T>, { readonly kind: "read" }>, Verdict> {
  const say = verdictsOf(check);
  switch (reading.kind) {
    case "read":
      return ok(reading);
    case "failed":
      return err(say("unknown", reading.error.detail, reading.durationMs));
    case "absent":
      return err(say("skipped", reading.reason, 0));
  }
}
