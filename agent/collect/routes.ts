/** What the collector says over HTTP. Routes only render; neither readiness nor liveness depends on Kafka. */
import type { App } from "../../shared/http.ts";
import type { Metrics } from "../../shared/metrics.ts";
import type { Collector } from "./collector.ts";

/** `/health/collect`: each kind, and whether Kafka takes what is sent. 503 while one of them is in trouble. */
export const collectRoutes =
  (collector: Pick<Collector, "kinds" | "sent" | "trouble">) => (app: App) => {
    app.get("/health/collect", (c) => {
      const kinds = collector.kinds().map((each) => ({
        kind: each.kind.kind,
        ...each.state(),
        objects: each.count(),
        refused: each.refused(),
        last_heard_seconds: Math.round(each.ageMs() / 1000),
        full_pass: each.hasClosed() ? "closed" : "open",
      }));
      const kafka = collector.trouble();
      const isFine = kafka === undefined && kinds.every(({ state }) => state === "collected");
      const body = {
        status: isFine ? "ok" : "degraded",
        records_sent: collector.sent(),
        ...(kafka === undefined ? {} : { kafka }),
        kinds,
      };
      return c.json(body, isFine ? 200 : 503);
    });
  };

/** Of the command that does nothing else. `/health` is the original's. */
export const commandRoutes =
  (options: { readonly metrics: Metrics; readonly stopping: () => boolean }) => (app: App) => {
    const { metrics, stopping } = options;
    app.get("/health", (c) => c.json({ status: "ok" }));
    app.get("/health/live", (c) => c.json({ status: "ok" }));
    app.get("/health/ready", (c) =>
      stopping() ? c.json({ status: "stopping" }, 503) : c.json({ status: "ok" }),
    );
    app.get("/metrics", async (c) =>
      c.body(await metrics.text(), 200, { "content-type": metrics.contentType }),
    );
  };
