/**
 * The ledger's record as 0.1 reads it, and as it will for ever: it ignores a record that this does not
 * accept, and after compaction its worker is an orphan to it. Never to be changed.
 */
import * as v from "valibot";
import { ClientId } from "../../../shared/protocol/client-id.ts";

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const StatusOf01 = v.object({
  client_id: ClientId,
  epoch: offset,
  sequence: v.optional(offset),
  state: v.picklist(["registered", "active", "stale", "dead", "withdrawn"]),
  reason: v.picklist([
    "registration",
    "heartbeat",
    "silent",
    "never-heard",
    "tombstone",
    "registration-beats-tombstone",
  ]),
  since: v.string(),
  registry: v.object({
    partition: offset,
    offset,
    value: v.nullable(v.string()),
    topic_id: v.optional(v.string()),
    headers: v.record(v.string(), v.string()),
  }),
  withdrawal: v.nullable(v.picklist(["pending", "done"])),
  worker: v.nullable(
    v.object({
      runtime: v.string(),
      instance: v.string(),
      spec_hash: v.string(),
      restarts: v.number(),
      state: v.picklist(["starting", "running", "stopping", "exited", "crash-loop", "blocked"]),
    }),
  ),
});
