/** What an agent that registers learns of its standing when another installation holds its client id. */
import { expect, test } from "bun:test";
import { confirmStanding, NO_EVIDENCE } from "../../../agent/confirmation/confirmation.ts";
import { readAnswer } from "../../../agent/confirmation/ledger.ts";
import { aStatus, clientId, statusRecord } from "../given.ts";

const conflict = { instances: ["i-1", "i-2"], since: "2026-01-02T03:04:05Z" };

test.each([
  ["one", "one", undefined, "done", /accepted/u],
  ["two", "one", undefined, "refused", /registered by another installation, two; .* is one/u],
  ["two", "one", conflict, "refused", /another installation/u],
  [undefined, "one", undefined, "done", /accepted/u],
  ["two", undefined, undefined, "done", /accepted/u],
  ["one", "one", conflict, "done", /in turn/u],
] as const)("accepted of %p, ours %p, conflict %p: %s", (accepted, own, facts, kind, says) => {
  const value = JSON.stringify({ client_id: "af-10", installation_id: accepted });
  const registry = { partition: 0, offset: 5, value, headers: {} };
  const { key, value: text } = statusRecord(aStatus(5, { registry, ...(facts && { conflict }) }));
  const read = readAnswer(Buffer.from(key), Buffer.from(text));
  const status = read.kind === "answer" ? read.answer : undefined;
  const at = { topicId: "t", partition: 0, offset: 0, installationId: own };
  const target = { action: "register", clientId: clientId("af-10"), ...at } as const;
  const confirmed = confirmStanding(target, { ...NO_EVIDENCE, records: 1, status });
  expect(confirmed.kind).toBe(kind);
  expect(confirmed.detail).toMatch(says);
});
