/** Exit codes, those of sysexits(3), so that scripts and charts can distinguish outcomes. */

export const EXIT = {
  done: 0,
  /** Wrong configuration or wrong arguments; each has been reported. */
  configuration: 64,
  /** Kafka cannot be reached. */
  unavailable: 69,
  /** A defect of ours. */
  defect: 70,
  /** Not confirmed in time; it may still happen. */
  unconfirmed: 75,
  /** Authentication or authorisation: the missing permission has been reported. */
  refused: 77,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
