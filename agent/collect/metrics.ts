/** The collector's metrics; docs/operating.md explains them. Names with `cluster_info_` are the original's. */
import type { Metrics } from "../../shared/metrics.ts";
import type { KindState } from "./watch/kind-state.ts";

const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;
const KINDS_MAX = 64;
const STATES = ["collected", "forbidden", "missing", "unavailable"] as const;

/** What is shown of one kind. */
export type KindFacts = {
  readonly word: string;
  readonly state: KindState;
  readonly count: number;
  readonly refused: number;
  readonly ageMs: number;
};

export type CollectFacts = {
  readonly kinds: readonly KindFacts[];
  readonly waitingBytes: number;
  readonly standsBy: boolean;
};

export type CollectMetrics = {
  readonly produced: (records: number) => void;
  readonly passBegan: () => void;
  readonly passClosed: (word: string, seconds: number) => void;
  readonly failed: (word: string, why: string) => void;
  readonly lifeBegan: () => void;
};

export function openCollectMetrics(metrics: Metrics, facts: () => CollectFacts): CollectMetrics {
  const collections = metrics.counter({
    name: "cluster_info_collections_total",
    help: "Full passes of a kind, begun and ended; error: it came to be forbidden, missing or out of reach",
    labels: { status: ["started", "success", "error"] },
  });
  const duration = metrics.histogram({
    name: "cluster_info_collection_duration_seconds",
    help: "From the beginning of a full pass of a kind until Kafka has confirmed its mark",
    buckets: BUCKETS,
    labels: { resource_type: { valuesMax: KINDS_MAX } },
  });
  const produced = metrics.counter({
    name: "cluster_info_messages_produced_total",
    help: "Records that Kafka has confirmed, marks included",
  });
  const errors = metrics.counter({
    name: "cluster_info_collection_errors_total",
    help: "How often a kind came to be forbidden, missing or out of reach",
    labels: { resource_type: { valuesMax: KINDS_MAX }, error_type: STATES },
  });
  showState(metrics, facts);
  const lives = metrics.counter({
    name: "outrider_collect_lives_total",
    help: "How often everything began anew: at the start, and when the topic changed",
  });
  return {
    produced: (records) => produced.add(records),
    passBegan: () => collections.add(1, { status: "started" }),
    passClosed: (word, seconds) => {
      collections.add(1, { status: "success" });
      duration.observe(seconds, { resource_type: word });
    },
    failed: (word, why) => {
      collections.add(1, { status: "error" });
      const known = STATES.find((each) => each === why);
      if (known !== undefined) errors.add(1, { resource_type: word, error_type: known });
    },
    lifeBegan: () => lives.add(1),
  };
}

function showState(metrics: Metrics, facts: () => CollectFacts): void {
  const objects = metrics.gauge({
    name: "cluster_info_resources_collected",
    help: "Objects of a kind that Kafka has confirmed and that are not gone",
    labels: { resource_type: { valuesMax: KINDS_MAX } },
  });
  const refused = metrics.gauge({
    name: "outrider_collect_refused_objects",
    help: "Objects that Kafka does not take",
    labels: { resource_type: { valuesMax: KINDS_MAX } },
  });
  const state = metrics.gauge({
    name: "outrider_collect_kind_state",
    help: "1 for the state that a kind is in",
    labels: { resource_type: { valuesMax: KINDS_MAX }, state: STATES },
  });
  const age = metrics.gauge({
    name: "outrider_collect_kind_age_seconds",
    help: "Since Kubernetes last said anything of a kind",
    labels: { resource_type: { valuesMax: KINDS_MAX } },
  });
  const waiting = metrics.gauge({
    name: "outrider_collect_waiting_bytes",
    help: "Records that Kafka has not confirmed yet",
  });
  const standby = metrics.gauge({
    name: "outrider_collect_stands_by",
    help: "1 while another agent collects for this client id",
  });
  metrics.beforeText(() => {
    const now = facts();
    waiting.set(now.waitingBytes);
    standby.set(now.standsBy ? 1 : 0);
    for (const kind of now.kinds) {
      const label = { resource_type: kind.word };
      objects.set(kind.count, label);
      refused.set(kind.refused, label);
      age.set(kind.ageMs / 1000, label);
      for (const each of STATES)
        state.set(each === kind.state.state ? 1 : 0, { ...label, state: each });
    }
  });
}
