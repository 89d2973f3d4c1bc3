/**
 * A secret is read when it is used, and never copied into a configuration. So a rotated file needs no
 * restart, and printing a configuration prints no secret.
 */
import { err, ok, type Result } from "../result.ts";

export type Secret = {
  /** The present value; if the file has become unreadable, the last value that was read. */
  readonly read: () => string;
  /** All values it has had, for the log to redact; empty when the value is a public default. */
  readonly seen: () => readonly string[];
};

/** How many past values the log redacts; older ones are worthless by then. */
const SEEN_MAX = 8;

export function fixedSecret(value: string, options: { readonly isPublic?: boolean } = {}): Secret {
  const seen = options.isPublic === true ? [] : [value];
  return { read: () => value, seen: () => seen };
}

/** From a file, read again at each use; one newline at its end is not part of the secret. */
export function fileSecret(
  path: string,
  readFile: (path: string) => Result<string, string>,
): Result<Secret, string> {
  const read = () => {
    const text = readFile(path);
    return text.ok ? ok(text.value.replace(/\r?\n$/u, "")) : text;
  };
  const first = read();
  if (!first.ok) return first;
  if (first.value === "") return err(`the file ${path} is empty`);
  let seen: readonly string[] = [first.value];
  const current = (): string => {
    const now = read();
    const last = seen.at(-1) ?? "";
    if (!now.ok || now.value === "" || now.value === last) return last;
    seen = [...seen, now.value].slice(-SEEN_MAX);
    return now.value;
  };
  return ok({ read: current, seen: () => seen });
}

const isSecret = (value: unknown): value is Secret =>
  typeof value === "object" && value !== null && "read" in value && "seen" in value;

/** For `openLog({ secrets })`: the values of all secrets in a configuration. */
export function secretValues(config: Readonly<Record<string, unknown>>): () => readonly string[] {
  const secrets = Object.values(config).filter(isSecret);
  return () => secrets.flatMap((secret) => secret.seen());
}
