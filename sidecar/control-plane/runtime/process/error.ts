/** Error texts of the process runtime: what was tried, on which path, the errno, what to do. */
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { err, type Result } from "../../../../shared/result.ts";
import type { RuntimeError } from "../runtime.ts";

export function fail(
  code: RuntimeError["code"],
  retry: RuntimeError["retry"],
  detail: string,
): Result<never, RuntimeError> {
  return err({ code, retry, detail });
}

/** An operation on the state directory failed; a later try may succeed. */
export function unavailable(action: string, path: string, cause: unknown): RuntimeError {
  const reason = errnoOf(cause) || (cause instanceof Error ? cause.message : String(cause));
  const detail = `${action} ${path} failed: ${reason}; STATE_DIR must be a local directory with free space that this user may write`;
  return { code: "unavailable", retry: "transient", detail };
}
