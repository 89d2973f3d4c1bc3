/**
 * Schemas from a variable's text to its value. Each has a description of what is allowed, which error
 * messages, `--help` and docs/operating.md show.
 */
import * as v from "valibot";
import { formatDuration, parseAge, parseDuration } from "../duration.ts";
import { parseBytes, parseCpu } from "../quantity.ts";
import { err, ok, type Result } from "../result.ts";
import { splitWords } from "./shell-words.ts";

const PORT_MAX = 65_535;

/** A parser of ours as a schema; its error is the issue's message. */
export function parsed<T>(parse: (text: string) => Result<T, string>, allowed: string) {
  return v.pipe(
    v.string(),
    v.description(allowed),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const read = parse(dataset.value);
      if (read.ok) return read.value;
      addIssue({ message: read.error });
      return NEVER;
    }),
  );
}

/** Milliseconds. */
export function duration(bounds: { readonly minMs: number; readonly maxMs?: number }) {
  const { minMs, maxMs = Number.POSITIVE_INFINITY } = bounds;
  const upper = Number.isFinite(maxMs) ? ` to ${formatDuration(maxMs)}` : " or more";
  return v.pipe(
    parsed(parseDuration, `a duration, ${formatDuration(minMs)}${upper}`),
    v.minValue(minMs, `is shorter than ${formatDuration(minMs)}`),
    v.maxValue(maxMs, `is longer than ${formatDuration(maxMs)}`),
  );
}

/** Milliseconds, for durations in days: `30d`, `1d12h`. */
export const age = ({ minMs }: { readonly minMs: number }) =>
  v.pipe(
    parsed(parseAge, `a duration such as 30d or 36h, ${formatDuration(minMs)} or more`),
    v.minValue(minMs, `is shorter than ${formatDuration(minMs)}`),
  );

export function integer(bounds: { readonly min: number; readonly max: number }) {
  const allowed = `a whole number, ${bounds.min} to ${bounds.max}`;
  return v.pipe(
    v.string(),
    v.description(allowed),
    v.regex(/^[+-]?\d{1,15}$/u, "is not a whole number"),
    v.transform(Number),
    v.minValue(bounds.min, `is less than ${bounds.min}`),
    v.maxValue(bounds.max, `is more than ${bounds.max}`),
  );
}

/** A port to listen on; 0 takes a free one. */
export const port = () => integer({ min: 0, max: PORT_MAX });

const TRUE: readonly string[] = ["true", "t", "1", "yes", "on"];
const FALSE: readonly string[] = ["false", "f", "0", "no", "off"];

/** Go's `ParseBool` in any case, and yes/no/on/off. */
export const flag = () =>
  v.pipe(
    v.string(),
    v.description("true or false"),
    v.transform((text) => text.toLowerCase()),
    v.check((text) => TRUE.includes(text) || FALSE.includes(text), "is neither true nor false"),
    v.transform((text) => TRUE.includes(text)),
  );

export const oneOf = <const O extends readonly string[]>(options: O) =>
  v.pipe(
    v.string(),
    v.description(`one of ${options.join(", ")}`),
    v.picklist(options, `is none of ${options.join(", ")}`),
  );

export const text = (charsMax: number, allowed = "text") =>
  v.pipe(
    v.string(),
    v.description(allowed),
    v.maxLength(charsMax, `is longer than ${charsMax} characters`),
  );

const PATH_CHARS_MAX = 4096;
export const path = (allowed = "a path") => text(PATH_CHARS_MAX, allowed);

/** Bytes. */
export function bytes(bounds: { readonly minBytes: number; readonly shown: string }) {
  return v.pipe(
    parsed(parseBytes, `an amount of memory, ${bounds.shown} or more`),
    v.minValue(bounds.minBytes, `is less than ${bounds.shown}`),
  );
}

/** Thousandths of a CPU. */
export function cpu(bounds: { readonly minMillis: number }) {
  const least = bounds.minMillis / 1000;
  return v.pipe(
    parsed(parseCpu, `a number of CPUs, ${least} or more`),
    v.minValue(bounds.minMillis, `is less than ${least} CPUs`),
  );
}

/** Names, several separated by commas. */
export const names = (charsMax: number) =>
  parsed((value): Result<readonly string[], string> => {
    const list = value.split(",").map((name) => name.trim());
    if (list.some((name) => name === "" || name.length > charsMax))
      return err(`must be names of 1 to ${charsMax} characters`);
    return ok(list);
  }, "names, several separated by commas");

/** A command and its arguments, split as a shell splits words. */
export const command = () => parsed(splitWords, "a command and its arguments");
