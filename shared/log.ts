/**
 * Structured log lines, one per call. Why we have a logger of our own: docs/decision/0001-own-logger.md.
 *
 * Invariants (test/shared/log.test.ts):
 *  - one call is one line of bounded size, whatever the fields contain (cycles, bigints, newlines);
 *  - no line contains a secret: fields are redacted by their name, and known values wherever they appear.
 */
import type { Clock } from "./clock.ts";

/** Least important first; a log of level `warn` writes `warn` and `error`. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ["json", "text"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type Fields = Readonly<Record<string, unknown>>;

export type Log = {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** The same log with these fields on every line. */
  with(fields: Fields): Log;
};

export type LogOptions = {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Called with one line, without its newline. */
  readonly write: (line: string) => void;
  readonly clock: Clock;
  /** Values that must never be printed; called for each line, since a secret's file may change. */
  readonly secrets?: () => readonly string[];
};

const WITHHELD = "***";
const SECRET_NAME = /password|secret|token|sasl/iu;
/** A shorter known secret is not searched for: that would redact ordinary words. */
const SECRET_CHARS_MIN = 4;
const DEPTH_MAX = 4;
const ITEMS_MAX = 32;
const CHARS_MAX = 4096;

export function openLog(options: LogOptions, fields: Fields = {}): Log {
  const at =
    (level: LogLevel) =>
    (message: string, more: Fields = {}): void => {
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(options.level)) return;
      const hide = withhold(options.secrets?.() ?? []);
      const time = new Date(options.clock.nowMs()).toISOString();
      const line = { time, level, message: hide(message), ...plain({ ...fields, ...more }, hide) };
      options.write(oneLine(options.format === "json" ? JSON.stringify(line) : textLine(line)));
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (more) => openLog(options, { ...fields, ...more }),
  };
}

type Hide = (text: string) => string;

function withhold(secrets: readonly string[]): Hide {
  const known = secrets.filter((secret) => secret.length >= SECRET_CHARS_MIN);
  return (text) => {
    const hidden = known.reduce((rest, secret) => rest.replaceAll(secret, WITHHELD), text);
    return hidden.length > CHARS_MAX ? `${hidden.slice(0, CHARS_MAX)}…` : hidden;
  };
}

/**
 * The fields as JSON values of bounded size, without secrets. A caller's field never overwrites one of the
 * line's own.
 */
function plain(fields: Fields, hide: Hide, depth = 0): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields).slice(0, ITEMS_MAX)) {
    if (value === undefined) continue;
    const key = depth === 0 && RESERVED.has(name) ? `field_${name}` : name;
    out[key] = SECRET_NAME.test(name) ? WITHHELD : plainValue(value, hide, depth);
  }
  return out;
}

const RESERVED: ReadonlySet<string> = new Set(["time", "level", "message"]);

function plainValue(value: unknown, hide: Hide, depth: number): unknown {
  if (typeof value === "string") return hide(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value === "boolean") return value;
  if (typeof value !== "object") return String(typeof value);
  if (value instanceof Error) return hide(errorText(value));
  if (value instanceof Date) return String(value);
  if (depth >= DEPTH_MAX) return "…";
  if (Array.isArray(value)) {
    return value.slice(0, ITEMS_MAX).map((item: unknown) => plainValue(item, hide, depth + 1));
  }
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  return plain(Object.fromEntries(Object.entries(value)), hide, depth + 1);
}

/** An error as one text: its name and message, then those of its causes. Why without a stack: see the decision. */
function errorText(error: Error): string {
  const parts: string[] = [];
  let next: unknown = error;
  while (next instanceof Error && parts.length < DEPTH_MAX) {
    parts.push(next.name === "Error" ? next.message : `${next.name}: ${next.message}`);
    next = next.cause;
  }
  return parts.join(": ");
}

/** `12:00:00.000 INFO  message  name=value other="two words"` */
function textLine(line: Readonly<Record<string, unknown>>): string {
  const { time, level, message, ...fields } = line;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${textValue(value)}`);
  const clock = String(time).slice(11, 23);
  const head = `${clock} ${String(level).toUpperCase().padEnd(5)} ${String(message)}`;
  return rest.length === 0 ? head : `${head}  ${rest.join(" ")}`;
}

const textValue = (value: unknown): string =>
  typeof value === "string" && /^[\w.:/@%+,-]+$/u.test(value) ? value : JSON.stringify(value);

/** Characters that would forge a second line or control a terminal; JSON does not escape the upper half of these. */
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;

const oneLine = (text: string): string =>
  text.replaceAll(CONTROL, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
