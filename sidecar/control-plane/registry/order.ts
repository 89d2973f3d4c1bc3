/**
 * In which order the accepted records of one reading of the registry take effect.
 *
 * Order is offset order. Only if a registry has several partitions, and clients partition differently, can
 * one key's records be in two of them; then the broker's time decides (LogAppendTime). With CreateTime no
 * clock can be believed: a registration wins over a tombstone, because silence ends a wrong registration
 * and nothing ends a wrong tombstone; this is shown as a conflict. Pure.
 */
import { keyText } from "../../../shared/protocol/json.ts";

export type RegistryRecord = {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly timestampType: "create" | "append";
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, string>>;
};

export type Ordered = {
  readonly records: readonly RegistryRecord[];
  /** Keys whose order had to be decided without a trusted time. */
  readonly conflicts: ReadonlySet<string>;
};

export function inOrder(records: readonly RegistryRecord[]): Ordered {
  const first = records[0];
  if (first === undefined || records.every(({ partition }) => partition === first.partition)) {
    return { records, conflicts: new Set() };
  }
  const groups = Map.groupBy(records, ({ key }) => keyText(key) ?? "");
  const conflicts = new Set<string>();
  const ordered = [...groups].flatMap(([key, group]) => {
    if (new Set(group.map(({ partition }) => partition)).size === 1) return group;
    if (group.every(({ timestampType }) => timestampType === "append")) {
      return merged(group);
    }
    const { sorted, conflict } = registrationsLast(group);
    if (conflict) conflicts.add(key);
    return sorted;
  });
  return { records: ordered, conflicts };
}

const byPlace = (a: RegistryRecord, b: RegistryRecord): number =>
  a.partition - b.partition || a.offset - b.offset;

/** By the broker's time across partitions, by offset within one: a new leader's clock may be behind. */
function merged(group: readonly RegistryRecord[]): readonly RegistryRecord[] {
  const queues = [...Map.groupBy(group.toSorted(byPlace), ({ partition }) => partition).values()];
  const heads = queues.map(() => 0);
  return group.map((any) => {
    let first = -1;
    let earliest = any;
    for (const [index, queue] of queues.entries()) {
      const head = queue[heads[index] ?? 0];
      if (head === undefined || (first >= 0 && head.timestampMs >= earliest.timestampMs)) continue;
      first = index;
      earliest = head;
    }
    heads[first] = (heads[first] ?? 0) + 1;
    return earliest;
  });
}

/** Partitions whose last record is a tombstone come first, so that a registration wins. */
function registrationsLast(group: readonly RegistryRecord[]): {
  readonly sorted: readonly RegistryRecord[];
  readonly conflict: boolean;
} {
  const perPartition = [...Map.groupBy(group.toSorted(byPlace), ({ partition }) => partition)];
  const ends = (ending: boolean) =>
    perPartition.filter(([, records]) => (records.at(-1)?.value === null) === ending);
  const withdrawn = ends(true);
  const registered = ends(false);
  return {
    sorted: [...withdrawn, ...registered].flatMap(([, records]) => records),
    conflict: withdrawn.length > 0 && registered.length > 0,
  };
}
