/** An identity and ledger records to begin with; a test changes what it is about. */
import * as v from "valibot";
import type { Identity } from "../../agent/records.ts";
import { ClientId } from "../../shared/protocol/client-id.ts";
import {
  type Applied,
  appliedKey,
  type ClusterStatus,
  encodeApplied,
  encodeStatus,
  type LedgerWorker,
} from "../../shared/protocol/ledger.ts";

export const clientId = (text: string): ClientId => v.parse(ClientId, text);

export const anIdentity = (more: Partial<Identity> = {}): Identity => ({
  clientId: clientId("af-10"),
  clusterName: "Africa 10",
  clusterVersion: "1.2.3",
  namespace: "outrider",
  releaseName: "edge",
  heartbeatIntervalMs: 30_000,
  installationId: undefined,
  ...more,
});

export const aWorker = (state: LedgerWorker["state"]): LedgerWorker => ({
  runtime: "process",
  instance: "4711",
  spec_hash: "abc",
  restarts: 3,
  state,
});

export const aStatus = (offset: number, more: Partial<ClusterStatus> = {}): ClusterStatus => ({
  client_id: clientId("af-10"),
  epoch: 1,
  state: "registered",
  reason: "registration",
  since: "2026-01-02T03:04:05Z",
  registry: { partition: 0, offset, value: "{}", headers: {} },
  withdrawal: null,
  worker: null,
  ...more,
});

export const anApplied = (offset: number, more: Partial<Applied> = {}): Applied => ({
  topic_id: "topic-1",
  offset,
  epoch: 1,
  ...more,
});

export const statusRecord = (status: ClusterStatus) => ({
  key: status.client_id,
  value: encodeStatus(status),
});

export const appliedRecord = (applied: Applied, partition = 0) => ({
  key: appliedKey(partition),
  value: encodeApplied(applied),
});
