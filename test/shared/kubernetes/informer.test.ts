/**
 * The informer against a server that is played, for what no healthy API server does: lists of an older
 * state, a beginning that is cut off, watches that end at once. The real one: test/system/door-kubernetes.
 */

import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { type Informer, openInformer } from "../../../shared/kubernetes/informer.ts";
import type { Transport } from "../../../shared/kubernetes/transport.ts";
import { until } from "../../bed/condition.ts";
import { clockOf } from "../../clock.ts";

const PATIENCE = { deadlineMs: 10_000, intervalMs: 5 } as const;
const Named = v.object({ metadata: v.object({ name: v.string() }) });

type Line = Readonly<Record<string, unknown>>;
type Answer = { readonly lines: readonly Line[]; readonly ends: boolean };
type Played = {
  readonly transport: Transport;
  /** Queries of the watches that were asked for. */
  readonly asked: readonly URLSearchParams[];
};

/** Answers watch after watch; the last answer for ever. */
function play(...answers: readonly [Answer, ...Answer[]]): Played {
  const asked: URLSearchParams[] = [];
  const transport: Transport = {
    server: "played",
    send: ({ path }) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)] ?? answers[0];
      asked.push(new URL(path, "http://played").searchParams);
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          const text = answer.lines.map((line) => `${JSON.stringify(line)}\n`).join("");
          controller.enqueue(new TextEncoder().encode(text));
          if (answer.ends) controller.close();
        },
      });
      return Promise.resolve(new Response(body));
    },
  };
  return { transport, asked };
}

const metadata = (name: string, resourceVersion: string, annotations = {}) => ({
  metadata: { name, uid: `uid-${name}`, resourceVersion, annotations },
});
const added = (name: string, version: string): Line => ({
  type: "ADDED",
  object: metadata(name, version),
});
const end = (version: string): Line => ({
  type: "BOOKMARK",
  object: metadata("", version, { "k8s.io/initial-events-end": "true" }),
});
const expired: Line = { type: "ERROR", object: { kind: "Status", code: 410, message: "too old" } };

async function onPlay(
  played: Played,
  act: (informer: Informer<string>, warnings: readonly string[]) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const warnings: string[] = [];
  const informer = openInformer<string>({
    transport: played.transport,
    selection: { resource: { group: "", version: "v1", plural: "things" } },
    keep: (object) => v.parse(Named, object).metadata.name,
    same: (one, other) => one === other,
    clock: clockOf({ random: () => 0.5 }),
    log: (level, message) => {
      if (level === "warn") warnings.push(message);
    },
    signal: ended.signal,
  });
  try {
    await act(informer, warnings);
  } finally {
    ended.abort();
  }
}

const names = (informer: Informer<string>) => [...informer.held().values()].sort();

describe("openInformer()", () => {
  test("holds nothing of a beginning that was cut off", async () => {
    const played = play(
      { lines: [added("a", "5"), added("b", "6")], ends: true },
      { lines: [added("c", "7"), end("8")], ends: false },
    );
    await onPlay(played, async (informer) => {
      await until("the second beginning", () => informer.lists() === 1, PATIENCE);
      expect(names(informer)).toEqual(["c"]);
    });
  });

  test("goes on from the last version, a bookmark's too, and lists anew at a 410 event", async () => {
    const bookmark = { type: "BOOKMARK", object: metadata("", "20") };
    const played = play(
      { lines: [added("a", "5"), end("8"), added("b", "9"), bookmark], ends: true },
      { lines: [expired], ends: false },
      { lines: [added("c", "21"), end("30")], ends: false },
    );
    await onPlay(played, async (informer) => {
      await until("the second list", () => informer.lists() === 2, PATIENCE);
      expect(names(informer)).toEqual(["c"]);
      expect(played.asked.map((query) => query.get("resourceVersion"))).toEqual([null, "20", null]);
      const all = played.asked.map((query) => query.get("allowWatchBookmarks"));
      expect(all).toEqual(["true", "true", "true"]);
    });
  });

  test("does not go back to an older list, until it is the only one there is", async () => {
    const older = { lines: [added("old", "5"), end("6")], ends: false };
    // As numbers these two are the same.
    const played = play(
      { lines: [added("new", "9007199254740993"), end("9007199254740993"), expired], ends: false },
      { lines: [added("old", "9007199254740992"), end("9007199254740992")], ends: false },
      older,
    );
    await onPlay(played, async (informer, warnings) => {
      await until("a refused list", () => played.asked.length > 2, PATIENCE);
      expect(names(informer)).toEqual(["new"]);
      await until("the old state", () => names(informer)[0] === "old", PATIENCE);
      expect(warnings.filter((text) => text.includes("went back"))).toHaveLength(1);
      expect(played.asked.length).toBe(7);
    });
  });

  test("does not ask without a pause where watches end at once", async () => {
    const played = play({ lines: [end("5")], ends: true }, { lines: [], ends: true });
    await onPlay(played, async () => {
      const sinceMs = performance.now();
      await until("six watches", () => played.asked.length >= 6, PATIENCE);
      // Half of 100, 200, 400 and 800 ms.
      expect(performance.now() - sinceMs).toBeGreaterThan(700);
    });
  });

  test("lists anew where a forgotten version is answered by nothing, as of Events", async () => {
    const nothing = { lines: [], ends: true };
    const played = play(
      { lines: [added("a", "5"), end("5")], ends: true },
      ...[nothing, nothing, nothing, nothing],
      { lines: [added("c", "9"), end("9")], ends: false },
    );
    await onPlay(played, async (informer) => {
      await until("the second list", () => informer.lists() === 2, PATIENCE);
      expect(names(informer)).toEqual(["c"]);
      expect(played.asked.map((query) => query.get("resourceVersion"))).toEqual([
        ...[null, "5", "5", "5", "5", null],
      ]);
    });
  });

  test("current() says why it is not, when its signal aborts", async () => {
    const transport: Transport = {
      server: "https://played",
      send: () => Promise.reject(new Error("connection refused")),
    };
    await onPlay({ transport, asked: [] }, async (informer) => {
      const current = await informer.current(AbortSignal.timeout(50));
      expect(current.ok ? "" : current.error.detail).toBe(
        "watch things: https://played cannot be asked: connection refused",
      );
    });
  });
});
