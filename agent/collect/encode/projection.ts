/**
 * Which fields are selected, as a short text: it changes when the selection does, so that a reader does not
 * take another selection for a change in the cluster.
 */

import { objectHash } from "../../../shared/protocol/object-hash.ts";
import type { CollectedKind } from "./kind.ts";

/** One more whenever an encoder selects otherwise than before. */
const VERSION = 1;
const DIGITS = 8;

export function projectionOf(choice: {
  readonly annotations: readonly string[];
  readonly kinds: readonly CollectedKind[];
}): string {
  const { annotations, kinds } = choice;
  const fields = Object.fromEntries(kinds.map((each) => [each.kind, each.fields]));
  return `${VERSION}-${(objectHash({ annotations, fields }) ?? "").slice(0, DIGITS)}`;
}
