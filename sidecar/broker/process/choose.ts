/**
 * Chooses, of several Kafka processes, the one of the broker beside us. Brokers share a host in tests and
 * at the edge, and memory or recovery of another broker must never be shown as ours. Pure.
 */

export type ProcessCandidate = {
  readonly pid: number;
  /** Its start, in clock ticks since boot: pid and start together are unique. */
  readonly startTicks: number;
  /** Whether it has a socket that listens on the local broker's port. Undefined: we may not see that. */
  readonly listens: boolean | undefined;
  /** Whether that port is among its configured listeners. Undefined: not known. */
  readonly configured: boolean | undefined;
  /** It listens on no port at all, like one that is starting. */
  readonly isMute: boolean;
};

export type Choice =
  /** `certain`: it listens on the port. Otherwise a later look may find a better one. */
  | { readonly kind: "one"; readonly candidate: ProcessCandidate; readonly certain: boolean }
  | { readonly kind: "none" }
  /** All are configured for other ports. */
  | { readonly kind: "others"; readonly pids: readonly number[] }
  /** The remaining one listens, but not on our port. */
  | { readonly kind: "unproven"; readonly pid: number }
  | { readonly kind: "ambiguous"; readonly pids: readonly number[] };

/**
 * By evidence, strongest first: the process that listens on the port; the one that is configured for it;
 * the one that remains without those configured for other ports. But a remaining process that listens only
 * elsewhere may be a neighbour's.
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
