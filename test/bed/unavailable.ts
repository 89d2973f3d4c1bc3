/** A server that a test needs and that this machine can't run. */

/** Its message is one line that says what to install. A caller skips with a message, or fails in CI. */
export class BedUnavailable extends Error {
  override readonly name = "BedUnavailable";
}
