/** The API: the original's paths and bodies, and what it had not: one cluster, a moment, pages, differences, proof. */
import type { App } from "../../../shared/http.ts";
import type { PostgresError } from "../../../shared/postgres/error.ts";
import type { Postgres } from "../../../shared/postgres/postgres.ts";
import { isClientId } from "../../../shared/protocol/client-id.ts";
import type { Result } from "../../../shared/result.ts";
import type { ReadAccess, Visible } from "./access.ts";
import { diffCluster, listClusters, proveCluster, proveObjects } from "./clusters.ts";
import { type ListError, listObjects } from "./objects.ts";
import { openApiDocument } from "./openapi.ts";
import { listSnapshots, readSnapshot, readStats } from "./overview.ts";
import { kindOf, LIST_PATHS, readListQuery, readMoment } from "./query.ts";

export type ApiDeps = {
  readonly postgres: Postgres;
  readonly access: ReadAccess;
  readonly version: string;
  readonly answered: (isOk: boolean) => void;
};

/** A body and its status. */
type Answer = { readonly status: 200 | 400 | 401 | 403 | 404 | 410 | 503; readonly body: object };
type Asked = {
  readonly visible: Visible;
  readonly query: Readonly<Record<string, string>>;
  readonly param: (name: string) => string;
};
type Handler = (asked: Asked) => Promise<Answer>;

const says = (status: Answer["status"], error: string): Answer => ({ status, body: { error } });

export const apiRoutes = (deps: ApiDeps) => (app: App) => {
  const { postgres, access, answered } = deps;
  app.get("/openapi.json", (c) => c.json(openApiDocument(deps.version)));
  const get = (path: string, handler: Handler) =>
    app.get(path, async (c) => {
      const visible = access(c.req.header("authorization"));
      const { status, body } = visible.ok
        ? await handler({
            ...{ visible: visible.value, query: c.req.query() },
            param: (name) => c.req.param(name) ?? "",
          })
        : says(visible.error.status, visible.error.detail);
      if (visible.ok) answered(status !== 503);
      return c.json(body, status);
    });

  for (const path of [...LIST_PATHS, "persistent_volumes", "persistent_volume_claims"]) {
    get(`/api/v1/${path}`, (asked) => list(postgres, kindOf(path) ?? path, asked));
  }
  get("/api/v1/objects/:kind", (asked) => list(postgres, asked.param("kind"), asked));
  get("/api/v1/stats", async ({ visible }) => plain(await readStats(postgres, visible)));
  get("/api/v1/snapshots", (asked) => snapshots(postgres, asked));
  get("/api/v1/snapshots/:id", (asked) => snapshot(postgres, asked));
  get("/api/v1/clusters", async ({ visible }) =>
    plain(await listClusters(postgres, visible, null)),
  );
  get("/api/v1/clusters/:id", (asked) =>
    ofCluster(asked, async (id) => plain(await listClusters(postgres, asked.visible, id))),
  );
  get("/api/v1/clusters/:id/diff", (asked) => ofCluster(asked, (id) => diff(postgres, id, asked)));
  get("/api/v1/clusters/:id/proof", (asked) =>
    ofCluster(asked, (id) => proof(postgres, id, asked)),
  );
};

/** 404 as well for a cluster that the token may not see: whether it exists is none of its holder's business. */
function ofCluster(
  { visible, param }: Asked,
  work: (id: string) => Promise<Answer>,
): Promise<Answer> {
  const id = param("id");
  const mayBe = isClientId(id) && (visible === "all" || visible.includes(id));
  return mayBe ? work(id) : Promise.resolve(says(404, `no such cluster: ${id}`));
}

/** Null is nothing found. */
function plain(read: Result<unknown, PostgresError>): Answer {
  if (!read.ok) return unavailable(read.error);
  const { value } = read;
  return typeof value === "object" && value !== null
    ? { status: 200, body: value }
    : says(404, "there is none");
}

const unavailable = ({ detail }: PostgresError): Answer => says(503, detail);

async function list(postgres: Postgres, kind: string, { query, visible }: Asked): Promise<Answer> {
  const asked = readListQuery(query);
  if (!asked.ok) return says(400, asked.error);
  const found = await listObjects(postgres, kind, asked.value, visible);
  return found.ok ? { status: 200, body: found.value } : listFailure(found.error);
}

const listFailure = (error: ListError): Answer =>
  error.code === "gone" ? says(410, error.detail) : says(503, error.detail);

async function snapshots(postgres: Postgres, { query, visible }: Asked): Promise<Answer> {
  const asked = readListQuery(query);
  if (!asked.ok) return says(400, asked.error);
  return plain(await listSnapshots(postgres, visible, asked.value.limit));
}

async function snapshot(postgres: Postgres, { visible, param }: Asked): Promise<Answer> {
  const id = param("id");
  if (id === "latest") return plain(await readSnapshot(postgres, visible, ""));
  if (!/^\d{1,18}$/u.test(id)) return says(400, `${id}: a snapshot's number, or latest`);
  return plain(await readSnapshot(postgres, visible, id));
}

async function diff(postgres: Postgres, id: string, { query }: Asked): Promise<Answer> {
  const page = readListQuery({ limit: query["limit"], next: query["next"] });
  const from = readMoment("from", query["from"]);
  const to = query["to"] === undefined ? undefined : readMoment("to", query["to"]);
  if (!page.ok) return says(400, page.error);
  if (!from.ok) return says(400, from.error);
  if (to?.ok === false) return says(400, to.error);
  const { limit, after } = page.value;
  const asked = { from: from.value, to: to?.value ?? new Date().toISOString(), limit, after };
  const found = await diffCluster(postgres, id, asked);
  if (!found.ok) return unavailable(found.error);
  return "gone" in found.value
    ? says(
        410,
        `from=${from.value}: versions that ended before ${found.value.gone} have been deleted`,
      )
    : { status: 200, body: found.value };
}

async function proof(postgres: Postgres, id: string, { query }: Asked): Promise<Answer> {
  const kind = query["kind"];
  const page = readListQuery({ limit: query["limit"], next: query["next"] });
  if (!page.ok) return says(400, page.error);
  const { limit, after } = page.value;
  const found =
    kind === undefined
      ? await proveCluster(postgres, id)
      : await proveObjects(postgres, id, { kind, after: after[1], limit });
  return found.ok ? { status: 200, body: found.value } : unavailable(found.error);
}
