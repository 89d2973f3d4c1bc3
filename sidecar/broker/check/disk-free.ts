/** Is there free space on the volumes of the log directories? A full volume takes its directory offline. */

import type { LogDirectory } from "../snapshot.ts";
import { bytesText, someOf } from "../text.ts";
import type { Check } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

const CHECK = "disk-free";
const say = verdictsOf(CHECK);

export const checkDiskFree: Check = ({ role, logDirs }, { diskFreeWarn }) => {
  if (role === "controller") return say("skipped", "a controller has no partitions on disk", 0);
  const read = readOr(CHECK, logDirs);
  if (!read.ok) return read.error;
  const { value, durationMs } = read.value;
  const sized = value
    .filter(({ totalBytes, usableBytes }) => totalBytes > 0 && usableBytes >= 0)
    .sort((a, b) => freeShare(a) - freeShare(b));
  const least = sized[0];
  if (least === undefined) {
    return say("skipped", "the broker does not say (KIP-827: from Kafka 3.3)", durationMs);
  }
  const limit = `at least ${percent(diskFreeWarn)}`;
  const short = sized.filter((dir) => freeShare(dir) < diskFreeWarn);
  if (short.length > 0) {
    return say(
      "warn",
      `little free space, ${limit} wanted: ${someOf(short.map(freeText))}`,
      durationMs,
    );
  }
  return say("pass", `${freeText(least)}, ${limit} wanted`, durationMs);
};

const freeShare = ({ usableBytes, totalBytes }: LogDirectory): number => usableBytes / totalBytes;

const freeText = (dir: LogDirectory): string =>
  `${dir.path} has ${percent(freeShare(dir))} free (${bytesText(dir.usableBytes)} of ${bytesText(dir.totalBytes)})`;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
