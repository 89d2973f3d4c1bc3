/** Clusters, workers and records to test with: whole, and changed where a test says so. */
import * as v from "valibot";
import { ClientId } from "../../../shared/protocol/client-id.ts";
import { toBytes } from "../../../shared/protocol/json.ts";
import type { Cluster } from "../../../sidecar/control-plane/fleet/fleet.ts";
import type { RegistryRecord } from "../../../sidecar/control-plane/registry/order.ts";
import type { Worker } from "../../../sidecar/control-plane/runtime/runtime.ts";

export const idOf = (text: string): ClientId => v.parse(ClientId, text);
export const A = idOf("cluster-a");
export const B = idOf("cluster-b");
export const FLEET = "fleet-1";
export const SPEC = "spec-1";

export const clusterOf = (changes: Partial<Cluster> = {}): Cluster => ({
  clientId: A,
  epoch: 1,
  state: "active",
  reason: "heartbeat",
  sinceMs: 0,
  registry: {
    partition: 0,
    offset: 0,
    value: registrationText(changes.clientId ?? A),
    headers: {},
  },
  withdrawal: null,
  groupKept: false,
  worker: null,
  clusterName: "prod",
  intervalSeconds: undefined,
  facts: undefined,
  seen: { clock: 0, atMs: 0 },
  due: undefined,
  beaten: false,
  released: false,
  returned: undefined,
  beat: undefined,
  ...changes,
});

export const workerOf = (changes: Partial<Worker> = {}): Worker => {
  const clientId = changes.clientId ?? A;
  return {
    clientId,
    name: `kg-graph-builder-${clientId}`,
    fleet: FLEET,
    specHash: SPEC,
    instance: `${clientId}-1`,
    state: "running",
    startedAtMs: 0,
    ...changes,
  };
};

export const registrationText = (clientId: string, fields: object = {}): string =>
  JSON.stringify({ client_id: clientId, cluster_name: "prod", ...fields });

/** `value` undefined: that client's registration. */
export const recordOf = (
  key: string,
  offset: number,
  value?: string | null,
  changes: Partial<RegistryRecord> = {},
): RegistryRecord => ({
  partition: 0,
  offset,
  timestampMs: offset,
  timestampType: "append",
  key: toBytes(key),
  value: value === null ? null : toBytes(value ?? registrationText(key)),
  headers: {},
  ...changes,
});
