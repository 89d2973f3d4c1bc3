/** How the broker sidecar writes shortened lists of names, counts, sizes and ages. */
import { formatDuration } from "../../shared/duration.ts";
import type { ClusterMetadata, PartitionMetadata } from "../../shared/kafka/api/metadata.ts";

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

/** Visits every partition in the metadata; with a callback, because there may be many thousands. */
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

/** Whole seconds from a minute on, tenths from a second on: no more digits than a person reads. */
export function ageText(ms: number): string {
  const gradeMs = ms < 1000 ? 1 : ms < 60_000 ? 100 : 1000;
  return formatDuration(Math.round(ms / gradeMs) * gradeMs);
}
