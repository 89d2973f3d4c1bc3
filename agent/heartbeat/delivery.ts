/**
 * Whether our beats arrive, as a value: what `/health/kafka`, the metrics and the next beat's `reason`
 * say. Pure; times are on the monotonic clock, in ms.
 */

export type Delivery = {
  /** Since when it is so. */
  readonly sinceMs: number;
  /** Beats lost since the last one that arrived. */
  readonly lost: number;
} & (
  | { readonly kind: "connecting" }
  | { readonly kind: "up"; readonly lastMs: number }
  | { readonly kind: "down"; readonly detail: string }
);

export const startDelivery = (nowMs: number): Delivery => ({
  kind: "connecting",
  sinceMs: nowMs,
  lost: 0,
});

export const arrived = (delivery: Delivery, nowMs: number): Delivery => ({
  kind: "up",
  sinceMs: delivery.kind === "up" ? delivery.sinceMs : nowMs,
  lastMs: nowMs,
  lost: 0,
});

/** `startedMs`: when the failed attempt began. A start without Kafka counts as an outage from the start on. */
export const failed = (delivery: Delivery, startedMs: number, detail: string): Delivery => ({
  kind: "down",
  sinceMs: delivery.kind === "up" ? startedMs : delivery.sinceMs,
  lost: delivery.lost,
  detail,
});

export const lostOne = (delivery: Delivery): Delivery => ({ ...delivery, lost: delivery.lost + 1 });

/** The reason for a `degraded` next beat; undefined when no beat was lost. */
export function lossText(delivery: Delivery, nowMs: number): string | undefined {
  if (delivery.lost === 0) return undefined;
  const beats = delivery.lost === 1 ? "1 beat" : `${delivery.lost} beats`;
  if (delivery.kind === "up") return `Kafka was slow, ${beats} not sent`;
  return `Kafka was away for ${forSeconds(delivery, nowMs)}, ${beats} not sent`;
}

/** For how long it has been so: `95 s`. */
export const forSeconds = (delivery: Delivery, nowMs: number): string =>
  `${Math.round((nowMs - delivery.sinceMs) / 1000)} s`;
