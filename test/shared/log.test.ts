/** The log: one line a call, bounded, and no secret in any. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type LogFormat, type LogLevel, openLog } from "../../shared/log.ts";
import { clockOf } from "../clock.ts";

function logOf(format: LogFormat, level: LogLevel = "debug", secrets: readonly string[] = []) {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const log = openLog({
    level,
    format,
    write,
    clock: clockOf({ nowMs: () => 0 }),
    secrets: () => secrets,
  });
  return { log, lines };
}

describe("openLog() as JSON", () => {
  test("writes time, level, message and fields", () => {
    const { log, lines } = logOf("json");
    log.with({ fleet: "a" }).warn("slow", { ms: 5 });
    expect(lines).toEqual([
      '{"time":"1970-01-01T00:00:00.000Z","level":"warn","message":"slow","fleet":"a","ms":5}',
    ]);
  });
  test("leaves out what is below its level", () => {
    const { log, lines } = logOf("json", "warn");
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(["warn", "error"]);
  });
  test("writes an error as its message and those of its causes", () => {
    const { log, lines } = logOf("json");
    const error = new Error("cannot send", { cause: new TypeError("closed") });
    log.error("x", { error });
    expect(JSON.parse(lines[0] ?? "").error).toBe("cannot send: TypeError: closed");
  });
  test("does not let a field pose as the line's own", () => {
    const { log, lines } = logOf("json");
    log.info("m", { level: "error", message: "n" });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      level: "info",
      message: "m",
      field_level: "error",
      field_message: "n",
    });
  });
  test("survives cycles, bigints and what is no number", () => {
    const { log, lines } = logOf("json");
    const cycle: Record<string, unknown> = { big: 1n, nan: Number.NaN, none: undefined };
    cycle["self"] = cycle;
    log.info("m", { cycle });
    expect(JSON.parse(lines[0] ?? "").cycle).toMatchObject({ big: "1", nan: "NaN" });
  });
});

describe("openLog() as text", () => {
  test("writes a line for people", () => {
    const { log, lines } = logOf("text");
    log.info("Spawning graph-builder for cluster: af-10", { epoch: 3, why: "a b" });
    expect(lines).toEqual([
      '00:00:00.000 INFO  Spawning graph-builder for cluster: af-10  epoch=3 why="a b"',
    ]);
  });
});

describe("openLog()", () => {
  test.each(["password", "SASL_PASSWORD", "client_secret", "Token", "sasl"])(
    "withholds a field named %s",
    (name) => {
      for (const format of ["json", "text"] as const) {
        const { log, lines } = logOf(format);
        log.info("m", { [name]: "hunter22", deep: { [name]: "hunter22" } });
        expect(lines.join()).not.toContain("hunter22");
      }
    },
  );
  test("withholds a known secret wherever it stands", () => {
    const format = fc.constantFrom("json" as const, "text" as const);
    const secret = fc.string({ minLength: 12, unit: "grapheme-ascii" });
    fc.assert(
      fc.property(format, secret, fc.string(), (form, value, around) => {
        const { log, lines } = logOf(form, "debug", [value]);
        const holder = around + value + around;
        log.info(holder, { a: holder, b: [holder], c: { d: new Error(holder) } });
        const line = lines[0] ?? "";
        expect(line).not.toContain(value);
        expect(line).not.toContain(JSON.stringify(value).slice(1, -1));
      }),
    );
  });
  test("writes one line a call, whatever the text", () => {
    const format = fc.constantFrom("json" as const, "text" as const);
    const texts = fc.string({
      unit: fc.constantFrom("a", "\n", "\r", "\u001b", "\u0085", "\u2028", "\0"),
    });
    fc.assert(
      fc.property(format, texts, (form, text) => {
        const { log, lines } = logOf(form);
        log.info(text, { text });
        expect(lines).toHaveLength(1);
        expect(lines[0]).not.toMatch(/[\p{Cc}\u2028]/u);
      }),
    );
  });
  test("bounds a line", () => {
    const { log, lines } = logOf("json");
    log.info("m", { text: "x".repeat(100_000), list: Array.from({ length: 1000 }, (_, i) => i) });
    expect(lines[0]?.length).toBeLessThan(5000);
  });
});
