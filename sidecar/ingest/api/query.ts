/** What a query of the API asks for, and what is wrong with it (pure). */
import { isClientId } from "../../../shared/protocol/client-id.ts";
import { err, ok, type Result } from "../../../shared/result.ts";

/** By the original's paths; its tables have underscores, and both are taken. */
const PATHS: Readonly<Record<string, string>> = {
  deployments: "deployments.apps",
  pods: "pods",
  nodes: "nodes",
  services: "services",
  ingresses: "ingresses.networking.k8s.io",
  configmaps: "configmaps",
  secrets: "secrets",
  "persistent-volumes": "persistentvolumes",
  "persistent-volume-claims": "persistentvolumeclaims",
};
export const LIST_PATHS: readonly string[] = Object.keys(PATHS);

export const kindOf = (path: string): string | undefined => PATHS[path.replaceAll("_", "-")];

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
const NEXT_CHARS_MAX = 1000;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)$/u;

export type ListQuery = {
  readonly limit: number;
  readonly namespace: string | undefined;
  readonly clientId: string | undefined;
  /** RFC 3339; undefined: now. */
  readonly asOf: string | undefined;
  /** The last row of the page before. */
  readonly after: readonly [string, string];
};

type Given = Readonly<Record<string, string | undefined>>;

const START: readonly [string, string] = ["", ""];

export function readListQuery(given: Given): Result<ListQuery, string> {
  const { namespace, client_id: clientId } = given;
  const limit = Number(given["limit"] ?? LIMIT_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    return err(`limit=${given["limit"]}: a whole number, 1 to ${LIMIT_MAX}`);
  }
  if (clientId !== undefined && !isClientId(clientId))
    return err(`client_id=${clientId}: no client id`);
  const asOf = given["as_of"] === undefined ? ok(undefined) : readMoment("as_of", given["as_of"]);
  if (!asOf.ok) return asOf;
  const after = given["next"] === undefined ? START : readNext(given["next"]);
  if (after === undefined) return err("next: not one that this API has given");
  return ok({ limit, namespace, clientId, asOf: asOf.value, after });
}

/** RFC 3339 with an offset: a time without one would be another moment for each reader. */
export function readMoment(name: string, text: string | undefined): Result<string, string> {
  // A "+" that was not escaped arrives as a blank.
  const moment = (text ?? "").replace(" ", "+");
  return MOMENT.test(moment) && !Number.isNaN(Date.parse(moment))
    ? ok(moment)
    : err(`${name}=${text ?? ""}: a time such as 2026-11-28T12:00:00Z`);
}

export const nextOf = (first: string, second: string): string =>
  Buffer.from(JSON.stringify([first, second])).toString("base64url");

function readNext(text: string): readonly [string, string] | undefined {
  if (text.length > NEXT_CHARS_MAX) return undefined;
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    if (!Array.isArray(parts)) return undefined;
    const [first, second]: unknown[] = parts;
    return typeof first === "string" && typeof second === "string" ? [first, second] : undefined;
  } catch {
    return undefined;
  }
}
