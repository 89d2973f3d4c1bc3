/** Health and metrics of `sidecar ingest`, under the original's paths and ours. */
import type { App } from "../../shared/http.ts";
import type { Metrics } from "../../shared/metrics.ts";

export type IngestHealth = { readonly ready: boolean; readonly detail: string };

export type RouteDeps = {
  readonly metrics: Metrics;
  readonly health: () => IngestHealth;
};

export const ingestRoutes = (deps: RouteDeps) => (app: App) => {
  for (const path of ["/health", "/health/live", "/api/v1/health"]) {
    app.get(path, (c) => c.json({ status: "healthy" }));
  }
  for (const path of ["/ready", "/health/ready", "/api/v1/ready"]) {
    app.get(path, (c) => {
      const { ready, detail } = deps.health();
      return c.json({ status: ready ? "healthy" : "unhealthy", detail }, ready ? 200 : 503);
    });
  }
  for (const path of ["/metrics", "/api/v1/metrics"]) {
    app.get(path, async (c) => {
      const text = await deps.metrics.text();
      return c.body(text, 200, { "content-type": deps.metrics.contentType });
    });
  }
};
