/** Client ids and ledger records by chance, for property tests. */
import fc from "fast-check";
import * as v from "valibot";
import { ClientId } from "../../../shared/protocol/client-id.ts";
import {
  type ClusterStatus,
  REASONS,
  STATES,
  WORKER_STATES,
} from "../../../shared/protocol/ledger.ts";

export const clientIds: fc.Arbitrary<ClientId> = fc
  .stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/u)
  .map((text) => v.parse(ClientId, text));

const offsets = fc.nat();
const text = fc.string({ unit: "binary", maxLength: 200 });

/** Not `constructor` and `prototype`: valibot drops an entry of such a name. */
const headerNames = fc.stringMatching(/^h-[a-z-]{0,20}$/u);

const conflicts = fc.record({ instances: fc.array(text, { maxLength: 3 }), since: text });
const keptOffsets = fc.record({
  read_at: text,
  topics: fc.array(
    fc.record({
      topic: text,
      topic_id: text,
      partitions: fc.array(fc.tuple(offsets, offsets), { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
});
const strays = fc.record({
  since: text,
  members: fc.array(fc.record({ member_id: text, client_id: text, host: text }), { maxLength: 3 }),
});
/** Each of them there or not. */
const facts = fc.record(
  {
    ...{ conflict: conflicts, offsets: keptOffsets, stray: strays, group_kept: fc.boolean() },
    heartbeat_interval_seconds: fc.integer({ min: 1, max: 3600 }),
  },
  { requiredKeys: [], noNullPrototype: true },
);

/** As a control plane of 0.1 writes it, which knows no facts. */
export const oldStatuses: fc.Arbitrary<ClusterStatus> = fc.record({
  client_id: clientIds,
  epoch: offsets,
  state: fc.constantFrom(...STATES),
  reason: fc.constantFrom(...REASONS),
  since: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  registry: fc.record({
    partition: offsets,
    offset: offsets,
    value: fc.option(text),
    headers: fc.dictionary(headerNames, text, { noNullPrototype: true }),
  }),
  withdrawal: fc.constantFrom("pending", "done", null),
  worker: fc.option(
    fc.record({
      runtime: fc.constantFrom("process", "docker", "kubernetes"),
      instance: fc.string(),
      spec_hash: fc.string(),
      restarts: offsets,
      state: fc.constantFrom(...WORKER_STATES),
    }),
  ),
});

export const statuses: fc.Arbitrary<ClusterStatus> = fc
  .tuple(oldStatuses, facts)
  .map(([status, some]) => ({ ...status, ...some }));
