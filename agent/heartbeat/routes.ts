/** The agent's HTTP endpoints. Routes only render; readiness and liveness never depend on Kafka. */
import type { Clock } from "../../shared/clock.ts";
import type { App } from "../../shared/http.ts";
import type { Metrics } from "../../shared/metrics.ts";
import { type Delivery, forSeconds } from "./delivery.ts";

export type RouteOptions = {
  readonly delivery: () => Delivery;
  readonly beats: () => { readonly sent: number; readonly lost: number };
  /** Undefined if this command does not register. */
  readonly registration: () => string | undefined;
  readonly stopping: () => boolean;
  readonly metrics: Metrics;
  readonly clock: Clock;
};

export const routes = (options: RouteOptions) => (app: App) => {
  app.get("/health/live", (c) => c.json({ status: "ok" }));
  app.get("/health/ready", (c) =>
    options.stopping() ? c.json({ status: "stopping" }, 503) : c.json({ status: "ok" }),
  );
  app.get("/health/kafka", (c) => {
    const body = kafkaBody(options);
    return c.json(body, body.status === "up" ? 200 : 503);
  });
  app.get("/metrics", async (c) => {
    const { metrics } = options;
    return c.body(await metrics.text(), 200, { "content-type": metrics.contentType });
  });
};

function kafkaBody(options: RouteOptions) {
  const delivery = options.delivery();
  const now = options.clock.monotonicMs();
  const timeOf = (ms: number) => new Date(options.clock.nowMs() - (now - ms)).toISOString();
  const { sent, lost } = options.beats();
  const registration = options.registration();
  return {
    status: delivery.kind,
    since: timeOf(delivery.sinceMs),
    for: forSeconds(delivery, now),
    detail: detailOf(delivery),
    beats_sent: sent,
    beats_dropped: lost,
    beats_dropped_since_last: delivery.lost,
    ...(delivery.kind === "up" ? { last_beat: timeOf(delivery.lastMs) } : {}),
    ...(registration === undefined ? {} : { registration }),
  };
}

function detailOf(delivery: Delivery): string {
  switch (delivery.kind) {
    case "connecting":
      return "no beat has been acknowledged yet";
    case "up":
      return "beats are acknowledged";
    case "down":
      return delivery.detail;
  }
}
