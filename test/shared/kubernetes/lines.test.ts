import { describe, expect, test } from "bun:test";
import { type LinesOptions, readLines } from "../../../shared/kubernetes/lines.ts";

type Source = {
  readonly stream: ReadableStream<Uint8Array>;
  readonly send: (text: string | Uint8Array) => void;
  readonly close: () => void;
  readonly cancelled: () => boolean;
};

function source(): Source {
  let cancelled = false;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given;
    },
    cancel: () => {
      cancelled = true;
    },
  });
  return {
    stream,
    send: (text) =>
      controller?.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text),
    close: () => controller?.close(),
    cancelled: () => cancelled,
  };
}

const options = (more: Partial<LinesOptions> = {}): LinesOptions => ({
  ...{ idleMs: 5_000, lineCharsMax: 1_000, signal: new AbortController().signal },
  ...more,
});

describe("readLines()", () => {
  test("gives lines whole, wherever they were cut", async () => {
    const { stream, send, close } = source();
    const bytes = new TextEncoder().encode('{"a":"ü"}\n\n{"b":1}\r\nrest');
    for (const byte of bytes) send(Uint8Array.of(byte));
    close();
    const lines: string[] = [];
    const keep = (line: string) => {
      lines.push(line);
    };
    expect(await readLines(stream, options(), keep)).toBe("ended");
    expect(lines).toEqual(['{"a":"ü"}', '{"b":1}']);
  });
  test("ends a stream that is silent for too long, and lets go of it", async () => {
    const { stream, send, cancelled } = source();
    send("one\n");
    expect(await readLines(stream, options({ idleMs: 30 }), () => undefined)).toBe("idle");
    expect(cancelled()).toBe(true);
  });
  test("ends when its signal aborts, before or while it waits", async () => {
    const early = source();
    const signal = AbortSignal.abort();
    expect(await readLines(early.stream, options({ signal }), () => undefined)).toBe("aborted");
    const late = source();
    const ending = new AbortController();
    const read = readLines(late.stream, options({ signal: ending.signal }), () => undefined);
    ending.abort();
    expect(await read).toBe("aborted");
    expect(late.cancelled()).toBe(true);
  });
  test.each([
    [1_000, "ended"],
    [1_001, "too-long"],
  ] as const)("takes a rest of %d characters for %s", async (chars, end) => {
    const { stream, send, close } = source();
    send("x".repeat(chars));
    close();
    expect(await readLines(stream, options(), () => undefined)).toBe(end);
  });
});
