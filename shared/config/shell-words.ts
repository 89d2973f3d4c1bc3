/**
 * Splits a command line into words as a POSIX shell does, without being one: quotes and backslashes
 * count, everything else (`$`, `*`, `;`, `|`) is an ordinary character (POSIX.1-2024, 2.2).
 */
import { err, ok, type Result } from "../result.ts";

const BLANK = /[ \t\n]/u;
/** In double quotes a backslash is special only before these. */
const ESCAPED_IN_QUOTES = /["\\$`]/u;

/** At least one word; the error says what is missing. */
export function splitWords(line: string): Result<readonly string[], string> {
  const words: string[] = [];
  let word: string | undefined;
  let at = 0;
  while (at < line.length) {
    const part = nextPart(line, at);
    if (part === undefined) return err("a quote is not closed");
    at = part.end;
    if (part.text !== undefined) word = (word ?? "") + part.text;
    else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  if (word !== undefined) words.push(word);
  return words.length === 0 ? err("has no words") : ok(words);
}

type Part = { readonly end: number /** Undefined between two words. */; readonly text?: string };

function nextPart(line: string, at: number): Part | undefined {
  const char = line.charAt(at);
  if (BLANK.test(char)) return { end: at + 1 };
  if (char === "'") {
    const close = line.indexOf("'", at + 1);
    return close < 0 ? undefined : { end: close + 1, text: line.slice(at + 1, close) };
  }
  if (char === '"') return doubleQuoted(line, at + 1);
  if (char === "\\") {
    return at + 1 < line.length ? { end: at + 2, text: line.charAt(at + 1) } : undefined;
  }
  return { end: at + 1, text: char };
}

function doubleQuoted(line: string, start: number): Part | undefined {
  let text = "";
  for (let at = start; at < line.length; at += 1) {
    const char = line.charAt(at);
    if (char === '"') return { end: at + 1, text };
    const next = line.charAt(at + 1);
    if (char === "\\" && ESCAPED_IN_QUOTES.test(next)) {
      text += next;
      at += 1;
    } else text += char;
  }
  return undefined;
}
