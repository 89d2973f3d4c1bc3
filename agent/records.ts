/**
 * The records that this cluster sends about itself. Pure. The fields are those of docs/protocol.md; the key
 * of each record is the client id.
 */
import type { OutRecord } from "../shared/kafka/batch/record.ts";
import type { ClientId } from "../shared/protocol/client-id.ts";
import { encodeHeartbeat, encodeRegistration } from "../shared/protocol/message.ts";
import { BY, BY_AGENT, FORCE, FORCED, INSTALLATION } from "../shared/protocol/registry-header.ts";

const PROTOCOL = 1;
/** The longest reason that readers keep (shared/protocol/message.ts); a longer one would be dropped. */
export const REASON_CHARS_MAX = 512;

export type Identity = {
  readonly clientId: ClientId;
  readonly clusterName: string;
  readonly clusterVersion: string | undefined;
  readonly namespace: string | undefined;
  readonly releaseName: string | undefined;
  readonly heartbeatIntervalMs: number;
  /** Undefined if the platform has none that outlives the process. */
  readonly installationId: string | undefined;
};

/**
 * Idempotent: the same registration again changes only its time. `automatic`: no person asked
 * for it, so it does not undo an operator's withdrawal.
 */
export const registrationRecord = (
  identity: Identity,
  nowMs: number,
  automatic = false,
): OutRecord => ({
  key: identity.clientId,
  headers: automatic ? { [BY]: BY_AGENT } : {},
  value: encodeRegistration({
    client_id: identity.clientId,
    cluster_name: identity.clusterName,
    version: identity.clusterVersion,
    registered_at: timeText(nowMs),
    metadata: { namespace: identity.namespace, release_name: identity.releaseName },
    heartbeat_interval_seconds: identity.heartbeatIntervalMs / 1000,
    installation_id: identity.installationId,
    protocol: PROTOCOL,
  }),
});

/** `force`: withdraw although two agents beat under this client id. */
export const tombstoneRecord = (
  { clientId, installationId }: Pick<Identity, "clientId" | "installationId">,
  force = false,
): OutRecord => ({
  key: clientId,
  value: null,
  headers: {
    ...(installationId === undefined ? {} : { [INSTALLATION]: installationId }),
    ...(force ? { [FORCE]: FORCED } : {}),
  },
});

/** The state that a cluster reports about itself. */
export type Condition =
  | { readonly status: "healthy" }
  | { readonly status: "degraded"; readonly reason: string }
  | { readonly status: "stopping" };

export type HeartbeatContent = {
  readonly clientId: ClientId;
  /** Id of this process; it shows a restart, and two agents with one identity. */
  readonly instanceId: string;
  /** From 1; a gap is a beat that was not sent. */
  readonly sequence: number;
  readonly atMs: number;
  readonly condition: Condition;
  readonly resourcesSent: number;
  readonly uptimeMs: number;
  /** Asks the leader to write this cluster's ledger record again. */
  readonly ask: boolean;
};

export const heartbeatRecord = (beat: HeartbeatContent): OutRecord => ({
  key: beat.clientId,
  value: encodeHeartbeat({
    client_id: beat.clientId,
    timestamp: timeText(beat.atMs),
    status: beat.condition.status,
    reason:
      beat.condition.status === "degraded"
        ? beat.condition.reason.slice(0, REASON_CHARS_MAX)
        : undefined,
    metrics: {
      resources_sent: beat.resourcesSent,
      uptime_seconds: Math.floor(beat.uptimeMs / 1000),
    },
    sequence: beat.sequence,
    instance_id: beat.instanceId,
    ask: beat.ask ? true : undefined,
  }),
});

const timeText = (atMs: number): string => new Date(atMs).toISOString();
