/** A consistent list, in pages, so that neither side ever has all objects in one text. */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { type KubernetesError, readStatus, statusError, transportError } from "./error.ts";
import { askedOf, pathOf, queryOf, type Selection } from "./resource.ts";
import { parseVersion } from "./resource-version.ts";
import { rowsOf } from "./table.ts";
import type { Transport } from "./transport.ts";

const PAGE_OBJECTS_MAX = 500;
const PAGE_MS_MAX = 30_000;
/** A continue token is valid for about five minutes; a slower list starts again. */
const BEGINNINGS_MAX = 3;

const Metadata = v.object({
  resourceVersion: v.string(),
  continue: v.optional(v.string(), ""),
});
const Item = v.looseObject({
  metadata: v.looseObject({ uid: v.string(), resourceVersion: v.optional(v.string(), "0") }),
});
const Page = v.object({ metadata: Metadata, items: v.nullish(v.array(Item)) });
const OfTable = v.object({ metadata: Metadata });
type Page = v.InferOutput<typeof Page>;

export type ListTaker = {
  /** Called at each beginning: what came before it counts no more. */
  readonly listing: () => void;
  /** False ends the list; while its promise is pending no page is asked for. */
  readonly listed: (item: {
    readonly uid: string;
    readonly version: bigint;
    readonly object: unknown;
  }) => boolean | Promise<boolean>;
};

/** The list's version, or that the taker gave it up. */
export async function listEach(
  transport: Transport,
  selection: Selection,
  taker: ListTaker,
  signal: AbortSignal,
): Promise<Result<bigint | "given-up", KubernetesError>> {
  for (let beginning = 1; ; beginning += 1) {
    taker.listing();
    const listed = await listPages(transport, selection, taker, signal);
    if (listed.ok || listed.error.code !== "expired" || beginning === BEGINNINGS_MAX) return listed;
  }
}

async function listPages(
  transport: Transport,
  selection: Selection,
  { listed }: ListTaker,
  signal: AbortSignal,
): Promise<Result<bigint | "given-up", KubernetesError>> {
  let token = "";
  for (;;) {
    const page = await listPage(transport, selection, token, signal);
    if (!page.ok) return page;
    for (const object of page.value.items ?? []) {
      const { uid, resourceVersion } = object.metadata;
      const item = { uid, version: parseVersion(resourceVersion) ?? 0n, object };
      if (!(await listed(item))) return ok("given-up");
    }
    token = page.value.metadata.continue;
    if (token !== "") continue;
    const version = parseVersion(page.value.metadata.resourceVersion);
    if (version !== undefined) return ok(version);
    const wrong = new Error(`resourceVersion ${page.value.metadata.resourceVersion}`);
    return err(transportError(askedOf("list", selection), transport.server, wrong));
  }
}

async function listPage(
  transport: Transport,
  selection: Selection,
  token: string,
  signal: AbortSignal,
): Promise<Result<Page, KubernetesError>> {
  const asked = askedOf("list", selection);
  const query = queryOf(selection, {
    limit: String(PAGE_OBJECTS_MAX),
    continue: token === "" ? undefined : token,
  });
  try {
    const response = await transport.send({
      method: "GET",
      path: `${pathOf(selection)}?${query}`,
      headers: { accept: selection.accept ?? "application/json" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(PAGE_MS_MAX)]),
    });
    const body: unknown = await response.json();
    if (!response.ok) return err(statusError(asked, response.status, readStatus(body)));
    const rows = rowsOf(body);
    if (rows === undefined) return ok(v.parse(Page, body));
    return ok(v.parse(Page, { ...v.parse(OfTable, body), items: rows }));
  } catch (cause) {
    return err(transportError(asked, transport.server, cause));
  }
}
