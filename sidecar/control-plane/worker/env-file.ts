/** WORKER_ENV_FILE: NAME=value lines, `#` comments and blank lines; read again for each start. */
import type { Log } from "../../../shared/log.ts";
import { err, ok, type Result } from "../../../shared/result.ts";

type Reading = {
  readonly readFile: (path: string) => Result<string, string>;
  readonly log: Log;
};

/** If the file has become unreadable, its last content is used: workers need credentials. */
export function openEnvFile(
  path: string | undefined,
  { readFile, log }: Reading,
): Result<() => Record<string, string>, string> {
  if (path === undefined) return ok(() => ({}));
  const first = readFile(path);
  if (!first.ok) return err(`WORKER_ENV_FILE: ${first.error}`);
  let last = first.value;
  return ok(() => {
    const text = readFile(path);
    if (text.ok) last = text.value;
    else log.error("WORKER_ENV_FILE: its last content is used", { error: text.error });
    return parseEnvFile(last);
  });
}

function parseEnvFile(text: string): Record<string, string> {
  const entries = text.split(/\r?\n/u).flatMap((line): [string, string][] => {
    const match = /^\s*(?:export\s+)?(?<name>[A-Za-z_]\w*)\s*=(?<value>.*)$/u.exec(line);
    const { name, value } = match?.groups ?? {};
    return name === undefined || value === undefined ? [] : [[name, unquote(value.trim())]];
  });
  return Object.fromEntries(entries);
}

const unquote = (value: string): string =>
  /^(["']).*\1$/u.test(value) ? value.slice(1, -1) : value;
