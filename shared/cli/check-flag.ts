/** The flag of `check kafka`, the same for both programs. */

import { duration } from "../config/schema.ts";
import { valueFlag } from "./arguments.ts";

/** Long enough even if one step of each kind hangs. */
export const CHECK_TIMEOUT_MS = 30_000;

export const checkTimeout = valueFlag(
  { name: "timeout", placeholder: "DURATION", describe: "How long the whole check may take (30s)" },
  duration({ minMs: 1000, maxMs: 3_600_000 }),
);
