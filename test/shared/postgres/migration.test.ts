import { describe, expect, test } from "bun:test";
import { numbered } from "../../../shared/postgres/migrate.ts";
import { pendingMigrations } from "../../../shared/postgres/migration.ts";

const known = numbered([
  { name: "one", text: "create a" },
  { name: "two", text: "create b" },
]);

describe("pendingMigrations()", () => {
  test("gives what is not applied, in order", () => {
    const names = (count: number) => {
      const pending = pendingMigrations(known, known.slice(0, count));
      return pending.ok ? pending.value.map(({ name }) => name) : pending.error;
    };
    expect([names(0), names(1), names(2)]).toEqual([["one", "two"], ["two"], []]);
  });
  test("refuses what was changed after it was applied", () => {
    const [first] = numbered([{ name: "one", text: "create a " }]);
    const refused = pendingMigrations(known, first === undefined ? [] : [first]);
    expect(refused.ok ? "" : refused.error).toMatch(/migration 1 \(one\) .* was changed after/u);
  });
  test("refuses a database of a newer program", () => {
    const refused = pendingMigrations(known.slice(0, 1), known);
    expect(refused.ok ? "" : refused.error).toMatch(/migration 2 \(two\), this program knows 1/u);
  });
});
