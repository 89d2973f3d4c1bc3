/** `sidecar withdraw`: which record of the audit is the answer to its tombstone. */
import { expect, test } from "bun:test";
import { EXIT } from "../../../../shared/exit.ts";
import { type Audit, encodeAudit } from "../../../../shared/protocol/audit.ts";
import { AUDIT, REGISTRY, STATUS } from "../../../../shared/protocol/topic.ts";
import { withdraw } from "../../../../sidecar/control-plane/operator/commands.ts";
import { type PlayedRecord, playLogs } from "../../../shared/kafka/played-log.ts";
import { A } from "../sample.ts";

const LEADER_NOT_AVAILABLE = 5;
const TOPIC_AUTHORIZATION_FAILED = 29;
/** The offset that the tombstone gets. */
const OURS = 7;
/** The audit is read this often, with the old records in it, before the answer comes. */
const READS_BEFORE = 5;

/** The outcome of a deleted group; without an offset that of a control plane that does not say it. */
function deleted(offset?: number): PlayedRecord {
  const audit: Audit = {
    ...{ id: "1-1", epoch: 1, client_id: A, phase: "outcome", action: "delete-group" },
    ...{ reason: "withdrawn", result: "group-deleted", at: "2026-01-01T00:00:00.000Z" },
    ...(offset === undefined ? {} : { registry: { partition: 0, offset } }),
  };
  return { key: A, value: encodeAudit(audit) };
}

type Given = {
  readonly before: readonly PlayedRecord[];
  /** What is left of them when they are read, from which offset on. */
  readonly left?: { readonly start: number; readonly count: number };
  /** Comes after the tombstone, at once. */
  readonly meanwhile?: readonly PlayedRecord[];
  readonly answer: PlayedRecord;
  /** The error of the question where the audit ends; `once`: the first time only. */
  readonly refuses?: number;
  readonly once?: boolean;
};

async function run({
  before,
  left = { start: 0, count: before.length },
  meanwhile = [],
  answer,
  refuses = 0,
  once = false,
}: Given) {
  const audit = { start: 0, records: [...before], refuses };
  const registry = { start: OURS, records: [] };
  const logs = { [STATUS]: { start: 0, records: [] }, [REGISTRY]: registry, [AUDIT]: audit };
  let reads = 0;
  const client = playLogs(logs, (apiName, topic) => {
    if (apiName === "Produce") {
      audit.start = left.start;
      audit.records.splice(left.count, before.length, ...meanwhile);
    }
    if (topic !== AUDIT) return;
    if (apiName === "ListOffsets" && once) audit.refuses = 0;
    if (apiName !== "Fetch") return;
    reads += 1;
    if (reads === READS_BEFORE) audit.records.push(answer);
  });
  const said: string[] = [];
  const deps = { client, log: () => undefined, say: (line: string) => said.push(line) };
  const code = await withdraw({ ...deps, confirm: () => Promise.resolve(true) }, A, false);
  return { code, said: said.join("\n"), isWritten: registry.records.length > 0, reads };
}

test.each<readonly [string, Given]>([
  ["the next one", { before: [deleted(3)], answer: deleted(OURS) }],
  ["that of a later record", { before: [], answer: deleted(OURS + 1) }],
  ["one that names no tombstone, after our own", { before: [deleted()], answer: deleted() }],
  [
    "not the one of an earlier tombstone that comes meanwhile",
    { before: [], meanwhile: [deleted(3)], answer: deleted(OURS) },
  ],
  [
    "none of before, where the log ended before the noted end",
    {
      before: [deleted(3), deleted(), deleted(4), deleted(5)],
      left: { start: 0, count: 2 },
      answer: deleted(OURS),
    },
  ],
])("withdraw() takes for its answer %s", async (_, given) => {
  const { code, said, isWritten, reads } = await run(given);
  expect([code, isWritten]).toEqual([EXIT.done, true]);
  expect(said).toBe(`${A} is withdrawn: worker and consumer group are gone`);
  expect(reads).toBeGreaterThanOrEqual(READS_BEFORE);
});

test.each<readonly [string, Given]>([
  [
    "below the noted end, where the log lost its end",
    {
      before: [deleted(3), deleted(3), deleted(3)],
      left: { start: 0, count: 1 },
      meanwhile: [deleted(OURS)],
      answer: deleted(OURS),
    },
  ],
  [
    "in a log that was empty and begins later",
    { before: [], left: { start: 9, count: 0 }, meanwhile: [deleted(OURS)], answer: deleted(OURS) },
  ],
])("withdraw() finds its answer %s", async (_, given) => {
  const { code, reads } = await run(given);
  expect(code).toBe(EXIT.done);
  expect(reads).toBeLessThan(READS_BEFORE);
});

test("withdraw() writes nothing where Kafka does not say where the audit ends", async () => {
  const refuses = TOPIC_AUTHORIZATION_FAILED;
  const given = { before: [deleted(3)], answer: deleted(OURS), refuses };
  const { code, said, isWritten } = await run(given);
  expect(said).toContain("DESCRIBE on topic cluster.audit");
  expect([code, isWritten]).toEqual([EXIT.refused, false]);
});

test("withdraw() asks again where the audit has no leader for a moment", async () => {
  const refuses = LEADER_NOT_AVAILABLE;
  const given = { before: [deleted(3)], answer: deleted(OURS), refuses, once: true };
  const { code, reads } = await run(given);
  expect(code).toBe(EXIT.done);
  expect(reads).toBeGreaterThanOrEqual(READS_BEFORE);
});
