/** The tables of docs/operating.md are those of the code. */
import { expect, test } from "bun:test";
import { OPERATING, withTables } from "../../docs/generate.ts";

test("docs/operating.md has the tables of the schemas (else: bun run docs)", async () => {
  const document = await Bun.file(OPERATING).text();
  expect(document).toBe(withTables(document));
});

test("withTables() fills every marker, and refuses one that it does not know", () => {
  const empty = "<!-- config:agent -->\n<!-- /config:agent -->";
  expect(withTables(empty)).toContain("| `CLIENT_ID` | required |");
  expect(withTables(withTables(empty))).toBe(withTables(empty));
  expect(() => withTables(empty.replaceAll("agent", "nobody"))).toThrow("config:nobody");
});
