/** `--wait`: what the ledger's records mean for ours. Our record is af-10's, in partition 0 at offset 5. */
import { expect, test } from "bun:test";
import {
  type Confirmation,
  confirm,
  foldEvidence,
  NO_EVIDENCE,
  type Target,
} from "../../../agent/confirmation/confirmation.ts";
import type { ClusterStatus } from "../../../shared/protocol/ledger.ts";
import { anApplied, appliedRecord, aStatus, aWorker, clientId, statusRecord } from "../given.ts";

type Text = { readonly key: string; readonly value: string };

const at = { topicId: "topic-1", partition: 0, offset: 5 };
const target: Target = { action: "register", clientId: clientId("af-10"), ...at };

const judged = (records: readonly Text[], action: Target["action"] = "register") => {
  const mine = { ...target, action };
  const raw = records.map(({ key, value }) => ({
    key: Buffer.from(key),
    value: Buffer.from(value),
  }));
  return confirm(
    mine,
    raw.reduce((seen, each) => foldEvidence(seen, mine, each), NO_EVIDENCE),
  );
};

const done = appliedRecord(anApplied(6));
const running = statusRecord(aStatus(5, { worker: aWorker("running") }));
const withWorker = (state: Parameters<typeof aWorker>[0]) => [
  statusRecord(aStatus(5, { worker: aWorker(state) })),
  done,
];
/** A status record as a later control plane would write it. */
const later = (more: Readonly<Record<string, unknown>>) => {
  const { key, value } = running;
  const status: unknown = JSON.parse(value);
  return { key, value: JSON.stringify(Object.assign({}, status, more)) };
};
const laterWorker = (more: Readonly<Record<string, unknown>>) =>
  later({ worker: { runtime: { kind: "new" }, instance: 4711, restarts: 0, ...more } });
const tombstone = (
  offset: number,
  withdrawal: ClusterStatus["withdrawal"],
  more: Partial<ClusterStatus> = {},
  worker?: Parameters<typeof aWorker>[0],
) =>
  statusRecord(
    aStatus(offset, {
      state: "withdrawn",
      reason: "tombstone",
      registry: { partition: 0, offset, value: null, headers: {} },
      withdrawal,
      ...(worker === undefined ? {} : { worker: aWorker(worker) }),
      ...more,
    }),
  );

type Row = readonly [
  what: string,
  records: readonly Text[],
  kind: Confirmation["kind"],
  says: RegExp,
];

const REGISTER: readonly Row[] = [
  ["nothing at all", [], "open", /no control plane has answered/],
  ["running and judged", [running, done], "done", /worker kg-graph-builder-af-10 runs/],
  ["judged before it runs", [...withWorker("starting"), running], "done", /runs/],
  ["running, not yet said to be judged", [running], "open", /not reached this/],
  [
    "judged up to, not including, ours",
    [running, appliedRecord(anApplied(5))],
    "open",
    /reached offset 5 of 6/,
  ],
  ["no worker yet", [statusRecord(aStatus(5)), done], "open", /not yet started/],
  ["starting", withWorker("starting"), "open", /starting, not yet running/],
  ["crash loop", withWorker("crash-loop"), "open", /crash loop \(3 restarts\)/],
  ["blocked", withWorker("blocked"), "open", /blocked/],
  ["exited", withWorker("exited"), "open", /is exited/],
  ["stopping", withWorker("stopping"), "open", /is stopping/],
  [
    "a later registration counts too",
    [statusRecord(aStatus(9, { worker: aWorker("running") })), appliedRecord(anApplied(10))],
    "done",
    /runs/,
  ],
  [
    "withdrawn meanwhile",
    [running, tombstone(6, "pending"), appliedRecord(anApplied(7))],
    "withdrawn",
    /withdrawn meanwhile/,
  ],
  [
    "the old worker still runs under a pending withdrawal",
    [statusRecord(aStatus(5, { withdrawal: "pending", worker: aWorker("running") })), done],
    "open",
    /earlier withdrawal/,
  ],
  ["judged, nothing said of us", [done], "refused", /did not accept/],
  [
    "judged, an earlier record still counts",
    [statusRecord(aStatus(4, { worker: aWorker("running") })), done],
    "refused",
    /cluster.registry-0 @ 4/,
  ],
  [
    "judged, a record of another partition counts",
    [
      statusRecord(
        aStatus(8, {
          registry: { partition: 2, offset: 8, value: "{}", headers: {} },
          worker: aWorker("running"),
        }),
      ),
      done,
    ],
    "refused",
    /cluster.registry-2 @ 8/,
  ],
  ["another partition judged", [running, appliedRecord(anApplied(6), 1)], "open", /not reached/],
  [
    "another registry was judged",
    [running, appliedRecord(anApplied(6, { topic_id: "topic-0" }))],
    "open",
    /earlier cluster.registry/,
  ],
  [
    "records of other keys are none of ours",
    [statusRecord(aStatus(5, { client_id: clientId("eu-1"), worker: aWorker("running") })), done],
    "refused",
    /did not accept/,
  ],
  [
    "an older leader's records are ignored",
    [
      appliedRecord(anApplied(5, { epoch: 8 })),
      statusRecord(aStatus(5, { epoch: 7, worker: aWorker("running") })),
      appliedRecord(anApplied(6, { epoch: 7 })),
    ],
    "open",
    /reached offset 5 of 6/,
  ],
  [
    "bytes that are no ledger record are ignored",
    [{ key: "af-10", value: "not json" }, running, { key: "_applied:0", value: "[]" }, done],
    "done",
    /runs/,
  ],
  [
    "accepted without a worker first, and running later",
    [statusRecord(aStatus(5)), done, statusRecord(aStatus(5, { worker: null })), running],
    "done",
    /runs/,
  ],
  [
    "fields that are added later are ignored",
    [
      later({
        sequence: 7,
        registry: { partition: 0, offset: 5, value: "{}", headers: {}, topic_id: "topic-1" },
      }),
      { ...done, value: JSON.stringify({ ...anApplied(6), sequence: 8, held: "of a new kind" }) },
    ],
    "done",
    /runs/,
  ],
  [
    "a reason and a state of a later control plane",
    [later({ reason: "of-a-later-version", state: "resting", since: 4711, headers: 1 }), done],
    "done",
    /runs/,
  ],
  ["a worker described anew", [laterWorker({ state: "running" }), done], "done", /runs/],
  [
    "a worker's state of a later control plane",
    [laterWorker({ state: "sleeping" }), done],
    "open",
    /worker is sleeping/,
  ],
  [
    "a worker's state that is no word",
    [laterWorker({ state: "\u001b[31m" }), done],
    "open",
    /does not know/,
  ],
  [
    "a crash loop that is not counted",
    [laterWorker({ state: "crash-loop", restarts: [] }), done],
    "open",
    /loop$/,
  ],
  [
    "a withdrawal of a later control plane",
    [later({ withdrawal: "postponed" }), done],
    "open",
    /earlier withdrawal/,
  ],
  [
    "an answer that cannot be read",
    [later({ registry: "elsewhere" }), done],
    "open",
    /cannot be read/,
  ],
  [
    "an answer that cannot be read after one that can",
    [running, later({ worker: 1 }), done],
    "open",
    /cannot be read/,
  ],
  [
    "an answer that can be read after one that cannot",
    [later({ worker: 1 }), running, done],
    "done",
    /runs/,
  ],
  ["an answer that is gone", [{ key: "af-10", value: "" }, done], "open", /cannot be read/],
  [
    "an answer of an older leader that cannot be read",
    [
      appliedRecord(anApplied(5, { epoch: 8 })),
      later({ registry: 1, epoch: 7 }),
      appliedRecord(anApplied(6, { epoch: 8 })),
    ],
    "refused",
    /did not accept/,
  ],
];

const kept = { group_kept: true } as const;
const applied8 = appliedRecord(anApplied(8));
const DEREGISTER: readonly Row[] = [
  ["nothing at all", [], "open", /no control plane has answered/],
  [
    "pending",
    [tombstone(5, "pending", { worker: aWorker("stopping") }), done],
    "open",
    /pending, the worker is stopping/,
  ],
  ["pending, worker gone", [tombstone(5, "pending"), done], "open", /the worker is gone/],
  [
    "done",
    [tombstone(5, "pending"), done, tombstone(5, "done")],
    "done",
    /worker and group are gone/,
  ],
  ["done, by history", [done, tombstone(5, "done", kept)], "done", /group expire/],
  ["that, its worker there", [done, tombstone(5, "done", kept, "running")], "open", /no agent has/],
  ["a later tombstone is done", [tombstone(7, "done"), applied8], "done", /gone/],
  [
    "registered again while pending",
    [statusRecord(aStatus(6, { withdrawal: "pending" })), appliedRecord(anApplied(7))],
    "open",
    /pending/,
  ],
  [
    "registered again after it was done",
    [running, statusRecord(aStatus(6)), appliedRecord(anApplied(7))],
    "done",
    /gone/,
  ],
  [
    "a withdrawal of a later control plane",
    [later({ withdrawal: "postponed" }), done],
    "open",
    /withdrawal is postponed, the worker is running/,
  ],
  ["refused", [statusRecord(aStatus(3)), done], "refused", /cluster.registry-0 @ 3/],
];

for (const [what, records, kind, says] of REGISTER) {
  test(`judge() of a registration: ${what}: is ${kind}`, () => {
    const judgement = judged(records);
    expect(judgement.kind).toBe(kind);
    expect(judgement.detail).toMatch(says);
  });
}

for (const [what, records, kind, says] of DEREGISTER) {
  test(`judge() of a tombstone: ${what}: is ${kind}`, () => {
    const judgement = judged(records, "deregister");
    expect(judgement.kind).toBe(kind);
    expect(judgement.detail).toMatch(says);
  });
}

test.each(["a".repeat(47), "Prod_EU"])("names no worker that has a hash: %s", (id) => {
  const its = clientId(id);
  const mine = { ...target, clientId: its };
  const record = statusRecord(aStatus(5, { client_id: its, worker: aWorker("running") }));
  const evidence = [record, done].reduce(
    (seen, { key, value }) =>
      foldEvidence(seen, mine, { key: Buffer.from(key), value: Buffer.from(value) }),
    NO_EVIDENCE,
  );
  expect(confirm(mine, evidence)).toEqual({ kind: "done", detail: "its worker runs" });
});
