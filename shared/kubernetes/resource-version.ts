/**
 * Kubernetes' versions of objects and lists. They are decimal numbers of one sequence per cluster
 * (KEP-5504; clients before had to take them for opaque), too large for a number, and they only grow.
 */

const DECIMAL = /^(?:0|[1-9]\d*)$/u;

/** Undefined for what is no version: such an answer cannot be gone on from. */
export function parseVersion(text: string): bigint | undefined {
  return DECIMAL.test(text) ? BigInt(text) : undefined;
}

/** The later one of both: a version never goes backwards. */
export const laterVersion = (one: bigint, other: bigint): bigint => (other > one ? other : one);
