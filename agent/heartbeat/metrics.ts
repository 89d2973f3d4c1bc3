/** The agent's metrics; docs/operating.md explains them. */
import type { Clock } from "../../shared/clock.ts";
import type { Metrics } from "../../shared/metrics.ts";
import type { Delivery } from "./delivery.ts";
import type { AgentStanding } from "./standing.ts";

export type HeartbeatMetrics = {
  readonly beats: () => { readonly sent: number; readonly lost: number };
  readonly beatSent: () => void;
  readonly beatLost: () => void;
};

export function openHeartbeatMetrics(options: {
  readonly metrics: Metrics;
  readonly delivery: () => Delivery;
  readonly standing: () => AgentStanding;
  readonly clock: Clock;
}): HeartbeatMetrics {
  const { metrics, delivery, standing, clock } = options;
  const sent = metrics.counter({
    name: "outrider_agent_heartbeats_sent_total",
    help: "Heartbeats that Kafka acknowledged",
  });
  const lost = metrics.counter({
    name: "outrider_agent_heartbeats_dropped_total",
    help: "Heartbeats that a newer one replaced before Kafka took them",
  });
  const up = metrics.gauge({
    name: "outrider_agent_kafka_up",
    help: "1 while heartbeats are acknowledged",
  });
  const outage = metrics.gauge({
    name: "outrider_agent_kafka_outage_seconds",
    help: "For how long no heartbeat has been acknowledged, 0 while they are",
  });
  const registered = metrics.gauge({
    name: "outrider_agent_registered",
    help: "1 while the control plane has accepted this cluster, 0 when it is withdrawn, refused, or two agents beat for it; absent while not known",
  });
  metrics.beforeText(() => {
    const { kind } = standing();
    if (kind === "unknown") registered.unset();
    else registered.set(kind === "accepted" ? 1 : 0);
    const now = delivery();
    up.set(now.kind === "up" ? 1 : 0);
    outage.set(now.kind === "up" ? 0 : (clock.monotonicMs() - now.sinceMs) / 1000);
  });
  const count = { sent: 0, lost: 0 };
  return {
    beats: () => ({ ...count }),
    beatSent: () => {
      count.sent += 1;
      sent.add(1);
    },
    beatLost: () => {
      count.lost += 1;
      lost.add(1);
    },
  };
}
