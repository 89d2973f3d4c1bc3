/**
 * A heartbeat's fields, read without a schema library: a leader reads every beat of every cluster, and a
 * library would halve its speed (docs/decision/, bench/fleet.ts). test/shared/protocol/heartbeat.test.ts
 * has the equivalent schema, and checks that both read any JSON alike.
 */
import type { ClientId } from "./client-id.ts";

const TIMESTAMP_CHARS_MAX = 64;
const STATUS_CHARS_MAX = 64;
const REASON_CHARS_MAX = 512;
const INSTANCE_CHARS_MAX = 128;

/** Only `client_id` is required; the rest is shown, not decided on. */
export type Heartbeat = {
  readonly client_id: ClientId;
  /** RFC 3339, by the sender's clock; used only to report its skew. */
  readonly timestamp?: string | undefined;
  /** `healthy`, `degraded`, `stopping`; anything else counts as a beat all the same. */
  readonly status?: string | undefined;
  readonly reason?: string | undefined;
  readonly metrics?:
    | {
        readonly resources_sent?: number | undefined;
        readonly uptime_seconds?: number | undefined;
      }
    | undefined;
  readonly sequence?: number | undefined;
  readonly instance_id?: string | undefined;
  /** Asks the leader to write this cluster's ledger record again, for the sender to read. */
  readonly ask?: boolean | undefined;
};

/** Undefined when this is no heartbeat of this client: no object, or another `client_id`. */
export function readHeartbeat(json: unknown, clientId: ClientId): Heartbeat | undefined {
  if (typeof json !== "object" || json === null || !("client_id" in json)) return undefined;
  if (json.client_id !== clientId) return undefined;
  return {
    client_id: clientId,
    timestamp: "timestamp" in json ? text(json.timestamp, TIMESTAMP_CHARS_MAX) : undefined,
    status: "status" in json ? text(json.status, STATUS_CHARS_MAX) : undefined,
    reason: "reason" in json ? text(json.reason, REASON_CHARS_MAX) : undefined,
    metrics: "metrics" in json ? readMetrics(json.metrics) : undefined,
    sequence: "sequence" in json ? count(json.sequence) : undefined,
    instance_id: "instance_id" in json ? text(json.instance_id, INSTANCE_CHARS_MAX) : undefined,
    ask: "ask" in json && typeof json.ask === "boolean" ? json.ask : undefined,
  };
}

function readMetrics(json: unknown): Heartbeat["metrics"] {
  if (typeof json !== "object" || json === null) return undefined;
  return {
    resources_sent: "resources_sent" in json ? count(json.resources_sent) : undefined,
    uptime_seconds: "uptime_seconds" in json ? count(json.uptime_seconds) : undefined,
  };
}

const text = (value: unknown, charsMax: number): string | undefined =>
  typeof value === "string" && value.length <= charsMax ? value : undefined;

const count = (value: unknown): number | undefined =>
  typeof value === "number" && value >= 0 && value < Number.POSITIVE_INFINITY ? value : undefined;
