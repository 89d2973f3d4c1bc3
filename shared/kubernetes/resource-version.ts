/**
 * Kubernetes' versions of objects and lists. They are decimal numbers of one increasing sequence per
 * cluster (KEP-5504; before it, clients had to treat them as opaque), too large for a JavaScript number.
 */

const DECIMAL = /^(?:0|[1-9]\d*)$/u;

/** Undefined if the text is no version: a watch cannot continue from such an answer. */
export function parseVersion(text: string): bigint | undefined {
  return DECIMAL.test(text) ? BigInt(text) : undefined;
}

/** The later one of both: a version never goes backwards. */
export const laterVersion = (one: bigint, other: bigint): bigint => (other > one ? other : one);
