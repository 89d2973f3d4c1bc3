/** The name of a system call's error, as errno(3) has it. */

/** `ENOENT` and the like; empty where the error carries none. */
export function errnoOf(cause: unknown): string {
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return "";
  return typeof cause.code === "string" ? cause.code : "";
}
