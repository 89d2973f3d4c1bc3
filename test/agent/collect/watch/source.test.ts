/** One stream of one kind: what is sent of what comes, and what is gone when. */
import { describe, expect, test } from "bun:test";
import { annotationRule } from "../../../../agent/collect/encode/annotations.ts";
import { kindOf } from "../../../../agent/collect/encode/kind.ts";
import { BURST, REFILL_MS } from "../../../../agent/collect/send/churn.ts";
import type { Known } from "../../../../agent/collect/send/object-index.ts";
import { openSource } from "../../../../agent/collect/watch/source.ts";

function open() {
  const sent: string[] = [];
  const known = new Map<string, Known>();
  const kind = kindOf("configmaps");
  if (kind === undefined) throw new Error("no kind");
  const now = { ms: 0, pass: 1, room: true, moved: 0, restored: 0 };
  const source = openSource({
    kind,
    isAllowed: annotationRule(["a"]),
    known,
    pass: () => now.pass,
    send: ({ object }, { uid, version }) => {
      if (!now.room) return Promise.resolve(false);
      const keys = "data_keys" in object ? object.data_keys : [];
      sent.push(`${uid}=${keys?.join("")}@${version}`);
      return true;
    },
    sendGone: (uid) => sent.push(`${uid} gone`),
    ready: () => Promise.resolve(),
    hasRoom: () => now.room,
    moved: () => (now.moved += 1),
    restored: () => (now.restored += 1),
    clock: { monotonicMs: () => now.ms },
  });
  const event = (uid: string, version: bigint, key: string) => ({
    ...{ uid, version },
    object: { metadata: { name: uid, uid }, data: { [key]: "x" } },
  });
  const { sink } = source;
  return {
    ...{ source, now, known },
    /** What was sent since the last look. */
    sent: () => sent.splice(0),
    list: (version: bigint, ...objects: readonly ReturnType<typeof event>[]) => {
      sink.listing();
      for (const object of objects) void sink.listed(object);
      sink.complete(version, false);
    },
    event,
    listed: sink.listed,
    complete: sink.complete,
    listing: sink.listing,
    change: (uid: string, version: bigint, key: string) =>
      sink.changed({ kind: "modified", ...event(uid, version, key) }),
    remove: (uid: string, version: bigint) =>
      sink.changed({ kind: "deleted", ...event(uid, version, "") }),
  };
}

describe("openSource()", () => {
  test("sends what differs only: a version alone is no difference", async () => {
    const { list, event, change, remove, sent } = open();
    list(5n, event("a", 1n, "k"), event("b", 2n, "k"));
    expect(sent()).toEqual(["a=k@1", "b=k@2"]);
    await change("a", 6n, "k");
    expect(sent()).toEqual([]);
    await change("a", 7n, "l");
    await remove("b", 8n);
    expect(sent()).toEqual(["a=l@7", "b gone"]);
    list(9n, event("a", 7n, "l"));
    expect(sent()).toEqual([]);
  });

  test("sends all of it again in another pass", () => {
    const { list, event, sent, now, source } = open();
    list(5n, event("a", 1n, "k"));
    now.pass = 2;
    expect(source.state.completePass).toBe(1);
    list(6n, event("a", 1n, "k"));
    expect(sent()).toEqual(["a=k@1", "a=k@1"]);
    expect(source.state.completePass).toBe(2);
  });

  test("takes nothing for gone before its list is complete", () => {
    const { list, event, sent, listing, listed, complete } = open();
    list(5n, event("a", 1n, "k"), event("b", 2n, "k"));
    sent();
    listing();
    void listed(event("a", 1n, "k"));
    listing();
    void listed(event("b", 2n, "k"));
    expect(sent()).toEqual([]);
    complete(9n, false);
    expect(sent()).toEqual(["a gone"]);
  });

  test("believes neither an older list nor an older object", () => {
    const { list, event, sent } = open();
    list(5n, event("a", 1n, "k"), event("b", 8n, "new"));
    sent();
    list(6n, event("a", 1n, "k"));
    expect(sent()).toEqual([]);
    list(9n, event("a", 1n, "k"), event("b", 7n, "old"));
    expect(sent()).toEqual([]);
  });

  test("begins anew when etcd was put back", () => {
    const { list, event, sent, listing, listed, complete, now, known } = open();
    list(50n, event("a", 40n, "k"), event("b", 45n, "k"));
    sent();
    listing();
    void listed(event("a", 10n, "old"));
    complete(20n, true);
    expect(sent()).toEqual(["b gone"]);
    expect(now.restored).toBe(1);
    now.pass = 2;
    list(21n, event("a", 10n, "old"));
    expect(sent()).toEqual(["a=old@10"]);
    expect(known.get("a")?.version).toBe(10n);
  });

  test("sends after the next list what found no room", async () => {
    const { list, event, sent, now, change } = open();
    list(5n, event("a", 1n, "k"));
    sent();
    now.room = false;
    expect(await change("a", 6n, "l")).toBe(false);
    now.room = true;
    list(7n, event("a", 6n, "l"));
    expect(sent()).toEqual(["a=l@6"]);
  });

  test("holds back what changes all the time, and sends its newest state later", async () => {
    const { list, event, sent, now, change, source, remove } = open();
    list(1n, event("a", 1n, "k"), event("b", 1n, "k"));
    sent();
    for (let n = 0; n < BURST + 5; n += 1) await change("a", BigInt(10 + n), `k${n}`);
    expect(sent()).toHaveLength(BURST);
    await change("b", 90n, "other");
    expect(sent()).toEqual(["b=other@90"]);
    source.flush();
    expect(sent()).toEqual([]);
    now.ms = REFILL_MS;
    source.flush();
    expect(sent()).toEqual([`a=k${BURST + 4}@${10 + BURST + 4}`]);
    await change("a", 99n, "again");
    expect(sent()).toEqual([]);
    await remove("a", 100n);
    now.ms = 10 * REFILL_MS;
    source.flush();
    expect(sent()).toEqual(["a gone"]);
  });
});
