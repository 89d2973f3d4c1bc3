/** Words as a POSIX shell splits them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { splitWords } from "../../../shared/config/shell-words.ts";

describe("splitWords()", () => {
  const cases: readonly [string, readonly string[]][] = [
    ["worker", ["worker"]],
    ["  a   b\tc\n", ["a", "b", "c"]],
    ["a 'b c' d", ["a", "b c", "d"]],
    [`a "b 'c' d"`, ["a", "b 'c' d"]],
    [`a"b"'c'd`, ["abcd"]],
    ["a ''", ["a", ""]],
    ["a\\ b", ["a b"]],
    [`"a\\"b" "a\\nb"`, ['a"b', "a\\nb"]],
    ["sh -c 'echo $HOME; ls *'", ["sh", "-c", "echo $HOME; ls *"]],
    ["a $HOME * ; b", ["a", "$HOME", "*", ";", "b"]],
  ];
  test.each(cases)("splits %p", (line, words) => {
    expect(splitWords(line)).toEqual({ ok: true, value: words });
  });
  test.each(["", "  ", "'a", '"a', "a\\"])("refuses %p", (line) => {
    expect(splitWords(line).ok).toBe(false);
  });
  test("gives back what was quoted", () => {
    const word = fc.string({ unit: fc.constantFrom("a", " ", '"', "'", "\\", "$", "\n") });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        const line = words.map((text) => `'${text.replaceAll("'", `'\\''`)}'`).join(" ");
        expect(splitWords(line)).toEqual({ ok: true, value: words });
      }),
    );
  });
});
