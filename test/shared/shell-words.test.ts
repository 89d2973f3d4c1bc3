/** splitWords() against quoting rules and against a real shell. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { splitWords } from "../../shared/words.ts";

const single = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
const double = (word: string): string => `"${word.replaceAll(/["\\$`]/gu, "\\$&")}"`;
const escaped = (word: string): string =>
  word === "" ? "''" : [...word].map((char) => (char === "\n" ? "'\n'" : `\\${char}`)).join("");

const word = fc.string({ unit: fc.constantFrom(..."ab '\"\\$`\n\t*;|é"), maxLength: 8 });
const quoting = fc.constantFrom(single, double, escaped);
const blank = fc.string({ unit: fc.constantFrom(" ", "\t", "\n"), minLength: 1, maxLength: 3 });

describe("splitWords()", () => {
  test("gives back the words that were quoted, in whatever way", () => {
    const quoted = fc.array(fc.tuple(word, quoting, blank), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(quoted, (parts) => {
        const line = parts.map(([text, quote, gap]) => quote(text) + gap).join("");
        expect(splitWords(line)).toEqual({ ok: true, value: parts.map(([text]) => text) });
      }),
    );
  });

  test("splits as /bin/sh does what holds no expansion and no operator", () => {
    const line = fc.string({ unit: fc.constantFrom(..."ab '\"\\\t"), maxLength: 14 });
    fc.assert(
      fc.property(line, (text) => {
        const script = 'eval "set -- $1" && for word do printf "%s\\0" "$word"; done';
        const shell = Bun.spawnSync(["/bin/sh", "-c", script, "sh", text], { stderr: "ignore" });
        const split = splitWords(text);
        // A lone backslash at the end is kept by some shells; POSIX leaves it open.
        fc.pre(!/(^|[^\\])(\\\\)*\\$/u.test(text));
        if (shell.exitCode !== 0) expect(split.ok).toBe(false);
        else {
          const words = shell.stdout.toString().split("\0").slice(0, -1);
          expect(split.ok ? split.value : []).toEqual(words);
        }
      }),
      { numRuns: 60 },
    );
  });
});
