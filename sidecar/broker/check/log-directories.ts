/** Is every log directory online? Kafka takes one offline at its first I/O error and goes on with the others (KIP-112). */

import { counted, someOf } from "../text.ts";
import type { Check } from "./check.ts";
import { NONE_NAMED, readOr, verdictsOf } from "./verdict.ts";

const CHECK = "log-directories";
const say = verdictsOf(CHECK);

export const checkLogDirectories: Check = ({ role, logDirs }) => {
  if (role === "controller") return say("skipped", "a controller has no partitions on disk", 0);
  const read = readOr(CHECK, logDirs);
  if (!read.ok) return read.error;
  const { value, durationMs } = read.value;
  const offline = value.filter(({ errorCode }) => errorCode !== 0).map(({ path }) => path);
  if (value.length === 0) {
    return say("unknown", NONE_NAMED, durationMs);
  }
  return offline.length === 0
    ? say("pass", `${counted(value.length, "directory", "directories")} online`, durationMs)
    : say("fail", `offline: ${someOf(offline)}`, durationMs);
};
