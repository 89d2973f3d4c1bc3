/** The name of a system call's error, as in errno(3). */

/** Such as `ENOENT`; empty if the error has none. */
export function errnoOf(cause: unknown): string {
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return "";
  return typeof cause.code === "string" ? cause.code : "";
}
