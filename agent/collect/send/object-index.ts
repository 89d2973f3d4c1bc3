/**
 * What is known of the objects of one kind: for each what was sent last, and what Kafka has confirmed.
 * Keys, versions and hashes only: no object is kept.
 *
 * Invariant (test/agent/collect/send/object-index.test.ts): `count` and `setHash` are those of what a
 * reader of the topic has after the last confirmed record.
 */
import {
  addEntry,
  removeEntry,
  setEntry,
  setHashText,
} from "../../../shared/protocol/object-hash.ts";

/** One object, as it was sent last. */
export type Known = {
  /** Undefined: it must be sent again, whatever it is. */
  hash: string | undefined;
  version: bigint;
  /** The pass that it was sent with. */
  pass: number;
  /** The list in which it was seen last. */
  list: number;
};

export type ObjectIndex = {
  /** Of one source: a namespace, or all of them. */
  readonly known: (source: number) => Map<string, Known>;
  readonly confirm: (uid: string, hash: string) => void;
  readonly confirmGone: (uid: string) => void;
  readonly count: () => number;
  readonly setHash: () => string;
};

export function openObjectIndex(sources: number): ObjectIndex {
  const known = Array.from({ length: sources }, () => new Map<string, Known>());
  const confirmed = new Map<string, string>();
  let sum = 0n;
  const take = (uid: string) => {
    const before = confirmed.get(uid);
    if (before !== undefined) sum = removeEntry(sum, setEntry(uid, before));
  };
  return {
    known: (source) => known[source] ?? new Map(),
    confirm: (uid, hash) => {
      if (confirmed.get(uid) === hash) return;
      take(uid);
      confirmed.set(uid, hash);
      sum = addEntry(sum, setEntry(uid, hash));
    },
    confirmGone: (uid) => {
      take(uid);
      confirmed.delete(uid);
    },
    count: () => confirmed.size,
    setHash: () => setHashText(sum),
  };
}
