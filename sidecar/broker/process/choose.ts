/**
 * Which of several processes of Kafka is the broker beside us: brokers share a host in tests and at
 * the edge, and memory or recovery of another one must never be shown as ours. Pure.
 */

export type ProcessCandidate = {
  readonly pid: number;
  /** Its start, in clock ticks since boot: pid and start together are never used again. */
  readonly startTicks: number;
  /** Does it hold a socket that listens on the local broker's port? Undefined: not ours to see. */
  readonly listens: boolean | undefined;
  /** Is that port among its configured listeners? Undefined: not known. */
  readonly configured: boolean | undefined;
  /** Seen to listen on no port at all, as one that is starting. */
  readonly isMute: boolean;
};

export type Choice =
  /** `certain`: it listens on the port. Otherwise another look may show a better one. */
  | { readonly kind: "one"; readonly candidate: ProcessCandidate; readonly certain: boolean }
  | { readonly kind: "none" }
  /** All are configured for other ports. */
  | { readonly kind: "others"; readonly pids: readonly number[] }
  /** The one that is left listens, but not here. */
  | { readonly kind: "unproven"; readonly pid: number }
  | { readonly kind: "ambiguous"; readonly pids: readonly number[] };

/**
 * By evidence, strongest first: who listens on the port; who is configured for it; who is left when
 * those are gone that are configured for others. But who is left, and listens elsewhere alone, may be a
 * neighbour's.
 */
export function chooseKafka(candidates: readonly ProcessCandidate[]): Choice {
  if (candidates.length === 0) return { kind: "none" };
  const listening = candidates.filter(({ listens }) => listens === true);
  if (listening.length > 0) return oneOf(listening, true);
  const configured = candidates.filter((each) => each.configured === true);
  if (configured.length > 0) return oneOf(configured, false);
  const possible = candidates.filter((each) => each.configured === undefined);
  if (possible.length === 0) return { kind: "others", pids: pidsOf(candidates) };
  const [left, ...more] = possible;
  if (left !== undefined && more.length === 0 && left.listens === false && !left.isMute) {
    return { kind: "unproven", pid: left.pid };
  }
  return oneOf(possible, false);
}

function oneOf(candidates: readonly ProcessCandidate[], certain: boolean): Choice {
  const [candidate, ...more] = candidates;
  if (candidate === undefined) return { kind: "none" };
  if (more.length > 0) return { kind: "ambiguous", pids: pidsOf(candidates) };
  return { kind: "one", candidate, certain };
}

const pidsOf = (candidates: readonly ProcessCandidate[]): readonly number[] =>
  candidates.map(({ pid }) => pid);
