import { describe, expect, test } from "bun:test";
import { laterVersion, parseVersion } from "../../../shared/kubernetes/resource-version.ts";
import { readWatchEvent } from "../../../shared/kubernetes/watch-event.ts";

const line = (type: string, metadata: object): string =>
  JSON.stringify({ type, object: { kind: "Pod", metadata } });

describe("readWatchEvent()", () => {
  test.each(["ADDED", "MODIFIED", "DELETED"])("reads %s", (type) => {
    const read = readWatchEvent(line(type, { uid: "u", resourceVersion: "12" }));
    expect(read).toMatchObject({
      ok: true,
      value: { kind: type.toLowerCase(), uid: "u", version: 12n },
    });
  });
  test("takes a bookmark without a version for a sign of life only, as of an aggregated API", () => {
    const annotations = { "k8s.io/initial-events-end": "true" };
    const bookmark = { kind: "bookmark", version: 0n, initialEventsEnd: false } as const;
    expect(readWatchEvent(line("BOOKMARK", {}))).toEqual({ ok: true, value: bookmark });
    expect(readWatchEvent(line("BOOKMARK", { annotations }))).toEqual({
      ok: true,
      value: bookmark,
    });
    expect(readWatchEvent(line("ADDED", { uid: "u-1" })).ok).toBe(false);
  });
  test("reads a bookmark, and the one that ends the beginning", () => {
    const plain = readWatchEvent(line("BOOKMARK", { resourceVersion: "7" }));
    expect(plain).toMatchObject({ value: { version: 7n, initialEventsEnd: false } });
    const annotations = { "k8s.io/initial-events-end": "true" };
    const last = readWatchEvent(line("BOOKMARK", { resourceVersion: "8", annotations }));
    expect(last).toMatchObject({ value: { version: 8n, initialEventsEnd: true } });
  });
  test("reads an error with its code", () => {
    const object = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
    expect(readWatchEvent(JSON.stringify({ type: "ERROR", object }))).toMatchObject({
      value: { kind: "error", status: { code: 410, message: "too old" } },
    });
  });
  test.each([
    "",
    "<html>bad gateway</html>",
    "null",
    '{"type":"SOMETHING","object":{}}',
    line("ADDED", { resourceVersion: "1" }),
    line("ADDED", { uid: "u" }),
    line("ADDED", { uid: "u", resourceVersion: "1e3" }),
    line("BOOKMARK", { resourceVersion: "-1" }),
  ])("refuses %p", (text) => {
    expect(readWatchEvent(text).ok).toBe(false);
  });
});

describe("laterVersion()", () => {
  test("tells versions apart that are one number", () => {
    const [one = 0n, next = 0n] = ["9007199254740992", "9007199254740993"].map(parseVersion);
    expect(laterVersion(one, next)).toBe(next);
    expect(laterVersion(next, one)).toBe(next);
  });
});
