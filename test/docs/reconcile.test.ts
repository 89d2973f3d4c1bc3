/** docs/reconcile.md has one row per `return` of the planner and of the holds, in their order. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const read = (path: string) => Bun.file(join(ROOT, path)).text();
const [document, plan, input] = await Promise.all([
  read("docs/reconcile.md"),
  read("sidecar/control-plane/plan/plan.ts"),
  read("sidecar/control-plane/plan/input.ts"),
]);

/** Bodies by name; a body ends at the first brace that begins a line. */
const bodiesOf = (source: string): ReadonlyMap<string, string> =>
  new Map(
    [...source.matchAll(/^(?:export )?function (?<name>\w+)(?<body>[\s\S]*?)^\}/gmu)].map(
      ({ groups }) => [groups?.["name"] ?? "", groups?.["body"] ?? ""],
    ),
  );

const OUTCOME =
  /(?<kind>none|wait)\("(?<why>[a-z-]+)"\)|wait\(input\.(?<hold>hold\w+)\)|stop\(\w+, "(?<cause>[a-z-]+)"\)|kind: "(?<bare>start|delete-group)"/gu;

const stepsIn = (body: string): readonly string[] =>
  [...body.matchAll(OUTCOME)].map(({ groups }) => {
    const { kind, why, hold, cause, bare } = groups ?? {};
    if (bare !== undefined) return bare;
    if (hold !== undefined) return "wait <hold>";
    return cause === undefined ? `${kind} ${why}` : `stop ${cause}`;
  });

const holdsIn = (body: string): readonly string[] =>
  [...body.matchAll(/"(?<hold>[a-z-]+)"/gu)].map(({ groups }) => groups?.["hold"] ?? "");

/** The first cell in backticks of each row between the markers. */
function rowsOf(marker: string): readonly string[] {
  const table = document.split(`<!-- ${marker} -->`)[1]?.split(`<!-- /${marker} -->`)[0] ?? "";
  return [...table.matchAll(/^\|[^`\n]*`(?<cell>[^`]+)`/gmu)].map(
    ({ groups }) => groups?.["cell"] ?? "",
  );
}

describe("docs/reconcile.md", () => {
  const planned = [...bodiesOf(plan)].filter(([, body]) => stepsIn(body).length > 0);
  test("has a table for each part of the planner", () => {
    const markers = [...document.matchAll(/<!-- plan:(?<name>\w+) -->/gu)];
    const names = markers.map(({ groups }) => groups?.["name"] ?? "");
    expect(names.sort()).toEqual(planned.map(([name]) => name).sort());
  });
  test.each(planned.map(([name, body]) => ({ name, body })))("$name", ({ name, body }) => {
    // Two of one `return ? :` may stand in either order.
    expect([...rowsOf(`plan:${name}`)].sort()).toEqual([...stepsIn(body)].sort());
  });
  test.each(["cleanupHold", "orphanHold", "withdrawalHold"])("%s", (name) => {
    expect([...rowsOf(`hold:${name}`)]).toEqual([...holdsIn(bodiesOf(input).get(name) ?? "")]);
  });
});
