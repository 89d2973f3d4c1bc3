/** What all checks say alike: names that are cut after a few, counts, sizes, and readings that failed. */
import { formatDuration } from "../../../shared/duration.ts";
import type { ClusterMetadata, PartitionMetadata } from "../../../shared/kafka/api/metadata.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { Reading } from "../snapshot.ts";
import type { CheckName, Status, Verdict } from "./check.ts";

const NAMES_SHOWN_MAX = 3;

/** `a, b, c and 4 more`; `none`. */
export function someOf(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  const hidden = names.length - NAMES_SHOWN_MAX;
  return hidden > 0 ? `${shown} and ${hidden} more` : shown;
}

/** `1 replica`, `2 replicas`. */
export const counted = (count: number, thing: string, things = `${thing}s`): string =>
  `${count} ${count === 1 ? thing : things}`;

export const partitionName = (at: { readonly topic: string; readonly partition: number }): string =>
  `${at.topic}-${at.partition}`;

/** Every partition that the metadata names; a visitor, for there may be many thousands. */
export function eachPartition(
  { topics }: ClusterMetadata,
  visit: (partition: PartitionMetadata, topic: string) => void,
): void {
  for (const { name, partitions } of topics) {
    for (const partition of partitions) visit(partition, name);
  }
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `512 B`, `1.5 GiB`: one decimal place, binary units. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Whole seconds from a minute on, tenths of one from a second on: no more than a person reads. */
export function ageText(ms: number): string {
  const gradeMs = ms < 1000 ? 1 : ms < 60_000 ? 100 : 1000;
  return formatDuration(Math.round(ms / gradeMs) * gradeMs);
}

/** Makes the verdicts of one check. */
export const verdictsOf =
  (check: CheckName) =>
  (status: Status, reason: string, durationMs: number): Verdict => ({
    ...{ check, status, reason, durationMs },
  });

/** What was read; else the verdict: `unknown` where it could not be read, `skipped` where there is nothing to. */
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
