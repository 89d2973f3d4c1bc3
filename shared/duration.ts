/**
 * Durations as people write them, in the forms of Go's `time.ParseDuration`: `1h30m`, `1.5h`, `500ms`.
 * A bare number is refused: whether `30` means seconds or milliseconds would be a guess.
 */
import { err, ok, type Result } from "./result.ts";

/** What Go's int64 of nanoseconds can hold; about 292 years. */
export const DURATION_MS_MAX = 9_223_372_036_854;

const UNIT_MS = {
  ns: 1e-6,
  us: 1e-3,
  // Both micro signs, U+00B5 and U+03BC, as in Go.
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
} as const satisfies Readonly<Record<string, number>>;

const PART = /(?<amount>\d+\.?\d*|\.\d+)(?<unit>ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gu;
const WHOLE = /^\+?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$/u;
const BARE = /^\+?\d+\.?\d*$/u;

const unitMs = new Map<string, number>(Object.entries(UNIT_MS));

/** Text to milliseconds, perhaps a fraction. The error says what is wrong. */
export function parseDuration(text: string): Result<number, string> {
  if (text.startsWith("-")) return err("a duration cannot be negative");
  if (BARE.test(text)) return err(`a unit is missing: ${text}s or ${text}m?`);
  if (!WHOLE.test(text)) return err("is not a duration such as 30s, 1.5h or 1h30m");
  let ms = 0;
  for (const { groups } of text.matchAll(PART)) {
    ms += Number(groups?.["amount"]) * (unitMs.get(groups?.["unit"] ?? "") ?? Number.NaN);
  }
  if (ms > DURATION_MS_MAX) return err(`is longer than ${formatDuration(DURATION_MS_MAX)}`);
  // Go adds whole nanoseconds; binary fractions leave noise past the fifteenth digit.
  return ok(Number(ms.toPrecision(15)));
}

const DAYS = /^(?<days>\d{1,5})d(?<rest>.*)$/u;
const DAY_MS = 86_400_000;

/**
 * The same, but it may begin with whole days, which Go does not have: `30d`, `1d12h`. For flags, not for
 * variables.
 */
export function parseAge(text: string): Result<number, string> {
  const { days, rest = "" } = DAYS.exec(text)?.groups ?? {};
  if (days === undefined) return parseDuration(text);
  const more = rest === "" ? ok(0) : parseDuration(rest);
  return more.ok ? ok(Number(days) * DAY_MS + more.value) : more;
}

/** Milliseconds to the shortest such text: `90000` is `1m30s`, `1500` is `1.5s`, `0` is `0s`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms === 0) return "0s";
  if (ms < 1000) return `${decimal(ms)}ms`;
  const hours = Math.floor(ms / UNIT_MS.h);
  const minutes = Math.floor((ms - hours * UNIT_MS.h) / UNIT_MS.m);
  const seconds = (ms - hours * UNIT_MS.h - minutes * UNIT_MS.m) / UNIT_MS.s;
  return [
    hours > 0 ? `${hours}h` : "",
    minutes > 0 ? `${minutes}m` : "",
    seconds > 0 ? `${decimal(seconds)}s` : "",
  ].join("");
}

/** At most nine places, no exponent, no trailing zeros. */
const decimal = (value: number): string => value.toFixed(9).replace(/\.?0+$/u, "");
