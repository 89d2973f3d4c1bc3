/** A consistent list, in pages, so that neither side ever has all objects in one text. */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { type KubernetesError, readStatus, statusError, transportError } from "./error.ts";
import { askedOf, pathOf, queryOf, type Selection } from "./resource.ts";
import { parseVersion } from "./resource-version.ts";
import type { Transport } from "./transport.ts";

const PAGE_OBJECTS_MAX = 500;
const PAGE_MS_MAX = 30_000;
/** A continue token is valid for about five minutes; a slower list starts again. */
const BEGINNINGS_MAX = 3;

const Page = v.object({
  metadata: v.object({
    resourceVersion: v.string(),
    continue: v.optional(v.string(), ""),
  }),
  items: v.nullish(v.array(v.looseObject({ metadata: v.looseObject({ uid: v.string() }) }))),
});

export type Listed<T> = {
  /** By uid. */
  readonly objects: Map<string, T>;
  readonly version: bigint;
};

/** `keep` is called for each object as its page arrives; undefined leaves it out. */
export async function listAll<T>(
  transport: Transport,
  selection: Selection,
  keep: (object: unknown) => T | undefined,
  signal: AbortSignal,
): Promise<Result<Listed<T>, KubernetesError>> {
  for (let beginning = 1; ; beginning += 1) {
    const listed = await listPages(transport, selection, keep, signal);
    if (listed.ok || listed.error.code !== "expired" || beginning === BEGINNINGS_MAX) return listed;
  }
}

async function listPages<T>(
  transport: Transport,
  selection: Selection,
  keep: (object: unknown) => T | undefined,
  signal: AbortSignal,
): Promise<Result<Listed<T>, KubernetesError>> {
  const objects = new Map<string, T>();
  let token = "";
  for (;;) {
    const page = await listPage(transport, selection, token, signal);
    if (!page.ok) return page;
    for (const object of page.value.items ?? []) {
      const kept = keep(object);
      if (kept !== undefined) objects.set(object.metadata.uid, kept);
    }
    token = page.value.metadata.continue;
    if (token !== "") continue;
    const version = parseVersion(page.value.metadata.resourceVersion);
    if (version !== undefined) return ok({ objects, version });
    const wrong = new Error(`resourceVersion ${page.value.metadata.resourceVersion}`);
    return err(transportError(askedOf("list", selection), transport.server, wrong));
  }
}

async function listPage(
  transport: Transport,
  selection: Selection,
  token: string,
  signal: AbortSignal,
): Promise<Result<v.InferOutput<typeof Page>, KubernetesError>> {
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
    return ok(v.parse(Page, body));
  } catch (cause) {
    return err(transportError(asked, transport.server, cause));
  }
}
