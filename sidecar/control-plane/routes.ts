/**
 * Health, metrics and the API, all on METRICS_PORT. Routes render what is known; only the lag is asked from
 * Kafka.
 */
import type { App } from "../../shared/http.ts";
import type { Metrics } from "../../shared/metrics.ts";
import { type ClientId, isClientId } from "../../shared/protocol/client-id.ts";
import { STATES, type State } from "../../shared/protocol/ledger.ts";
import { type ClusterDetail, type Lag, viewCluster } from "./api/cluster.ts";
import { viewRollout } from "./api/rollout.ts";
import type { Cluster } from "./fleet/fleet.ts";
import type { Term } from "./leader/term.ts";

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;

export type Health = {
  readonly ready: boolean;
  readonly role: "leader" | "standby" | "starting";
  readonly epoch: number | null;
  readonly detail: string;
};

export type RouteDeps = {
  readonly metrics: Metrics;
  readonly health: () => Health;
  readonly term: () => Term | undefined;
  readonly clusters: () => ReadonlyMap<ClientId, Cluster>;
  /** The ledger has been read once: before, "none known yet" is not "no clusters". */
  readonly isKnown: () => boolean;
  /** With a deadline; if Kafka does not answer, the result is a reason, not an error. */
  readonly lagOf: (clientId: ClientId) => Promise<Lag>;
};

export function controlPlaneRoutes(deps: RouteDeps): (app: App) => void {
  return (app) => {
    app.get("/health/live", (c) => c.json({ status: "healthy" }));
    app.get("/health/ready", (c) => {
      const { ready, ...rest } = deps.health();
      const status = ready ? "healthy" : "unhealthy";
      return c.json({ status, ...rest }, ready ? 200 : 503);
    });
    app.get("/metrics", async (c) => {
      const text = await deps.metrics.text();
      return c.text(text, 200, { "content-type": deps.metrics.contentType });
    });
    app.use("/api/v1/*", async (c, next) => {
      if (deps.isKnown()) return await next();
      return c.json({ error: `no cluster is known yet: ${deps.health().detail}` }, 503);
    });
    app.get("/api/v1/clusters", (c) => {
      const query = readQuery(c.req.query());
      if (typeof query === "string") return c.json({ error: query }, 400);
      return c.json(listClusters(deps, query));
    });
    app.get("/api/v1/clusters/:id", async (c) => {
      const id = c.req.param("id");
      const cluster = isClientId(id) ? deps.clusters().get(id) : undefined;
      if (cluster === undefined) return c.json({ error: `no such cluster: ${id}` }, 404);
      const term = deps.term();
      const detail: ClusterDetail = {
        ...viewCluster(cluster, term, term?.conditions()),
        lag: await deps.lagOf(cluster.clientId),
        actions: term?.leaderState.recent.get(cluster.clientId) ?? [],
      };
      return c.json(detail);
    });
  };
}

type Query = { readonly state: State | undefined; readonly limit: number; readonly after: string };

/** A wrong query is an error that says what is allowed. */
function readQuery(raw: Readonly<Record<string, string>>): Query | string {
  const state = STATES.find((one) => one === raw["state"]);
  if (raw["state"] !== undefined && state === undefined) {
    return `state=${raw["state"]}: one of ${STATES.join(", ")}`;
  }
  const limit = Number(raw["limit"] ?? LIMIT_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    return `limit=${raw["limit"]}: a whole number from 1 to ${LIMIT_MAX}`;
  }
  return { state, limit, after: raw["after"] ?? "" };
}

/** A page in order of client id; `next` is the `after` of the one that follows. */
function listClusters(deps: RouteDeps, { state, limit, after }: Query) {
  const term = deps.term();
  const conditions = term?.conditions();
  const matching = [...deps.clusters().values()]
    .filter((cluster) => cluster.clientId > after && (state ?? cluster.state) === cluster.state)
    .sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
  const page = matching.slice(0, limit);
  return {
    clusters: page.map((cluster) => viewCluster(cluster, term, conditions)),
    count: page.length,
    total: matching.length,
    next: matching.length > page.length ? page.at(-1)?.clientId : null,
    leader: term === undefined ? null : { epoch: term.epoch },
    rollout: term === undefined ? null : viewRollout(term.leaderState),
    /** Senders that beat although they are unregistered or withdrawn: shown, never acted on. */
    unregistered: Object.fromEntries(term?.counts.unregistered ?? []),
  };
}
