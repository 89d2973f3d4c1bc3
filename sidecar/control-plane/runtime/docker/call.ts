/** One call of the engine, with a deadline and a signal; its answer is parsed, its error a value. */

import { addAbortSignal, Readable } from "node:stream";
import * as v from "valibot";
import { within } from "../../../../shared/deadline.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError } from "../runtime.ts";

export type EngineError = {
  readonly code: "not-found" | "conflict" | "not-modified" | "refused" | "unavailable" | "timeout";
  /** What was tried, and the engine's own message. */
  readonly detail: string;
};

export type Bounds = { readonly what: string; readonly ms: number; readonly signal: AbortSignal };

/** The status codes of the calls that we make: https://docs.docker.com/reference/api/engine/ */
const CODES: ReadonlyMap<number, EngineError["code"]> = new Map([
  [304, "not-modified"],
  [400, "refused"],
  [401, "refused"],
  [403, "refused"],
  [404, "not-found"],
  [409, "conflict"],
]);
/** OpenSSL's reasons not to trust a certificate, as node's codes. */
const UNTRUSTED = /CERT|UNABLE_TO_VERIFY|SIGNATURE/u;
const DETAIL_CHARS_MAX = 600;
/** A line of progress or of an event has a few hundred. */
const LINE_CHARS_MAX = 1024 * 1024;

/** The call gets a signal that also aborts at the deadline. */
export async function ask<T>(
  { what, ms, signal }: Bounds,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<Result<T, EngineError>> {
  const ended = new AbortController();
  if (signal.aborted) ended.abort();
  // An error that it throws synchronously is a failure, too.
  const answer = Promise.try(call, ended.signal);
  const outcome = await within(answer, { deadlineMs: ms, signal });
  switch (outcome.kind) {
    case "done":
      return ok(outcome.value);
    case "failed":
      return err(errorOf(what, outcome.cause));
    case "late":
    case "aborted": {
      ended.abort();
      const why = outcome.kind === "late" ? `no answer within ${ms} ms` : "it was called off";
      return err({ code: "timeout", detail: `${what}: ${why}` });
    }
  }
}

/** The same, with the answer parsed. */
export async function exchange<T>(
  bounds: Bounds,
  schema: v.GenericSchema<unknown, T>,
  call: (signal: AbortSignal) => Promise<unknown>,
): Promise<Result<T, EngineError>> {
  const answer = await ask(bounds, call);
  if (!answer.ok) return answer;
  const read = v.safeParse(schema, answer.value);
  if (read.success) return ok(read.output);
  const [issue] = read.issues;
  const detail = `${bounds.what}: the answer is not an engine's: ${v.getDotPath(issue) ?? ""} ${issue.message}`;
  return err({ code: "unavailable", detail });
}

function errorOf(what: string, cause: unknown): EngineError {
  const status = fieldOf(cause, "statusCode");
  const detail = `${what}: ${wordsOf(cause)}`;
  if (typeof status === "number") return { code: CODES.get(status) ?? "unavailable", detail };
  const isUntrusted = UNTRUSTED.test(String(fieldOf(cause, "code")));
  return { code: isUntrusted ? "refused" : "unavailable", detail };
}

/** The engine's message if there is one; else that of the connection. */
function wordsOf(cause: unknown): string {
  const said = fieldOf(fieldOf(cause, "json"), "message");
  const message = cause instanceof Error ? cause.message : String(cause);
  const text = typeof said === "string" ? said : message || String(fieldOf(cause, "code"));
  return text.replaceAll(/\s+/gu, " ").trim().slice(0, DETAIL_CHARS_MAX);
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** Each line of a stream, until it ends or the signal aborts it. @throws what breaks the stream */
export async function readLines(
  stream: NodeJS.ReadableStream,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  if (stream instanceof Readable) addAbortSignal(signal, stream);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
    for (const line of lines) if (line.trim() !== "") onLine(line);
  }
  if (rest.trim() !== "") onLine(rest);
}

/** In the runtime port's codes: what is unavailable now may be available later, a refusal stays. */
export function runtimeError({ code, detail }: EngineError): RuntimeError {
  switch (code) {
    case "timeout":
      return { code: "timeout", retry: "transient", detail };
    case "refused":
      return { code: "invalid-spec", retry: "terminal", detail };
    case "not-found":
      return { code: "not-found", retry: "terminal", detail };
    case "conflict":
    case "not-modified":
    case "unavailable":
      return { code: "unavailable", retry: "transient", detail };
  }
}
