/**
 * One line of a watch. Pure.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */

import * as v from "valibot";
import { parseJsonText } from "../json.ts";
import { err, ok, type Result } from "../result.ts";
import { type ApiStatus, readStatus } from "./error.ts";
import { parseVersion } from "./resource-version.ts";
import { rowsOf } from "./table.ts";

export type WatchEvent =
  | {
      readonly kind: "added" | "modified" | "deleted";
      readonly uid: string;
      readonly version: bigint;
      readonly object: unknown;
    }
  | {
      readonly kind: "bookmark";
      readonly version: bigint;
      /** All objects that existed when the watch began have been sent. */
      readonly initialEventsEnd: boolean;
    }
  | { readonly kind: "error"; readonly status: ApiStatus };

/** Of a bookmark that has none. */
export const NO_VERSION = 0n;

/** What is not an error. */
export type ObjectOrBookmark = Exclude<WatchEvent, { kind: "error" }>;
export type ObjectEvent = Exclude<ObjectOrBookmark, { kind: "bookmark" }>;

const Metadata = v.looseObject({
  uid: v.optional(v.string(), ""),
  resourceVersion: v.optional(v.string(), ""),
  annotations: v.optional(v.record(v.string(), v.string())),
});
const Line = v.object({
  type: v.picklist(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]),
  object: v.unknown(),
});
const WithMetadata = v.looseObject({ metadata: Metadata });

const KINDS = { ADDED: "added", MODIFIED: "modified", DELETED: "deleted" } as const;
/** KEP-3157. */
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** An error is a line that no API server writes. */
export function readWatchEvent(text: string): Result<WatchEvent, string> {
  const line = v.safeParse(Line, parseJsonText(text));
  if (!line.success) return err(`no watch event: ${text.slice(0, 100)}`);
  const { type, object: sent } = line.output;
  if (type === "ERROR") return ok({ kind: "error", status: readStatus(sent) });
  // One row a line, a bookmark's too.
  const object = rowsOf(sent)?.[0] ?? sent;
  const read = v.safeParse(WithMetadata, object);
  const version = read.success ? parseVersion(read.output.metadata.resourceVersion) : undefined;
  // An aggregated API may send one without a version. It says that the connection lives, and no more.
  if (type === "BOOKMARK" && read.success && read.output.metadata.resourceVersion === "") {
    return ok({ kind: "bookmark", version: NO_VERSION, initialEventsEnd: false });
  }
  if (!read.success || version === undefined) return err(`no object in it: ${text.slice(0, 100)}`);
  const { uid, annotations } = read.output.metadata;
  if (type === "BOOKMARK") {
    const initialEventsEnd = annotations?.[INITIAL_EVENTS_END] === "true";
    return ok({ kind: "bookmark", version, initialEventsEnd });
  }
  if (uid === "") return err(`an object without a uid: ${text.slice(0, 100)}`);
  return ok({ kind: KINDS[type], uid, version, object });
}
