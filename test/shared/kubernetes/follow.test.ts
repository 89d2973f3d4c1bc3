/** The beginning of a watch-list: whose delay ends it. */
import { expect, test } from "bun:test";
import { type FollowSink, follow } from "../../../shared/kubernetes/follow.ts";
import type { Transport } from "../../../shared/kubernetes/transport.ts";
import { until } from "../../bed/condition.ts";
import { clockOf } from "../../clock.ts";

const MINUTE_MS = 60_000;
const OBJECTS = 5;

const line = (type: string, version: number, annotations = {}): Uint8Array => {
  const metadata = { name: "a", uid: `u-${version}`, resourceVersion: `${version}`, annotations };
  return new TextEncoder().encode(`${JSON.stringify({ type, object: { metadata } })}\n`);
};
const END = line("BOOKMARK", 9, { "k8s.io/initial-events-end": "true" });

/** A watch-list of some objects and its end, where the server or we take a minute for each of them. */
async function watchesAfter(
  slow: "server" | "we",
  end: "marked" | "cut" = "marked",
): Promise<readonly boolean[]> {
  let nowMs = 0;
  const watches: boolean[] = [];
  let taken = 0;
  const passMinute = (who: typeof slow) => {
    if (who === slow) nowMs += MINUTE_MS;
  };
  const watched = () => {
    let sent = 0;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          await until("the one before", () => taken === sent, { deadlineMs: 5_000, intervalMs: 1 });
          passMinute("server");
          if (sent === OBJECTS && end === "cut") return controller.close();
          controller.enqueue(sent === OBJECTS ? END : line("ADDED", sent + 1));
          sent += 1;
        },
      },
      { highWaterMark: 0 },
    );
  };
  const listed = { metadata: { resourceVersion: "9" }, items: [] };
  const transport: Transport = {
    server: "played",
    send: ({ path }) => {
      const isWatch = new URL(path, "http://played").searchParams.get("watch") === "true";
      watches.push(isWatch);
      return Promise.resolve(isWatch ? new Response(watched()) : Response.json(listed));
    },
  };
  const stop = new AbortController();
  let asked: readonly boolean[] | undefined;
  const nothing = () => undefined;
  const sink: FollowSink = {
    ...{ listing: nothing, changed: () => true, connected: nothing, broken: nothing },
    listed: async () => {
      await Promise.resolve();
      passMinute("we");
      taken += 1;
      return true;
    },
    complete: () => {
      asked ??= [...watches];
    },
  };
  const { ended } = follow({
    ...{ transport, sink, log: nothing, signal: stop.signal },
    selection: { resource: { group: "", version: "v1", plural: "things" } },
    clock: clockOf({ monotonicMs: () => nowMs }),
  });
  await until("the list", () => asked !== undefined, { deadlineMs: 5_000, intervalMs: 1 });
  stop.abort();
  await ended;
  return asked ?? [];
}

test("follow() gives up a watch-list that takes the server more than two minutes", async () => {
  expect(await watchesAfter("server")).toEqual([true, false]);
});

test("follow() does not where its consumer takes them", async () => {
  expect(await watchesAfter("we")).toEqual([true]);
});

test("follow() reads pages for once where the server's limit came while its consumer took them", async () => {
  expect(await watchesAfter("we", "cut")).toEqual([true, false]);
});
