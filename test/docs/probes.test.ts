/** docs/probes.md has the gates' table, and one row for each verdict that a check's own file gives. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { CHECKS, STATUSES } from "../../sidecar/broker/check/check.ts";
import { GATES, passGate, roleOf } from "../../sidecar/broker/probe/gates.ts";

const ROOT = join(import.meta.dir, "../..");
const read = (path: string) => Bun.file(join(ROOT, path)).text();
const document = await read("docs/probes.md");

/** The cells of each row between the markers, without the head. */
function rowsOf(marker: string): readonly (readonly string[])[] {
  const table = document.split(`<!-- ${marker} -->`)[1]?.split(`<!-- /${marker} -->`)[0] ?? "";
  const lines = table.trim().split("\n").slice(2);
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

const bare = (cell = ""): string => cell.replaceAll("`", "");
const SETTINGS = { liveness: "local", futureReplicas: "warn" } as const;

/** The statuses in the first arguments of `say(...)`; `futureReplicas` is one of its two values. */
const statusesIn = (source: string): readonly string[] =>
  [...source.matchAll(/\bsay\(\s*(?<first>[^,]+),/gu)].flatMap(({ groups }) => {
    const first = groups?.["first"] ?? "";
    if (first === "futureReplicas") return ["warn", "fail"];
    return STATUSES.filter((status) => first.includes(`"${status}"`));
  });

describe("docs/probes.md", () => {
  test("has the gates of the code", () => {
    const made = CHECKS.map((check) => [
      check,
      ...GATES.map((gate) => roleOf(check, gate, SETTINGS).replace("none", "–")),
    ]);
    expect(rowsOf("gates").map((row) => row.map(bare))).toEqual(made);
  });

  test.each([...CHECKS])("has a row for each verdict of %s", async (check) => {
    const inCode = statusesIn(await read(`sidecar/broker/check/${check}.ts`));
    const inDocument = rowsOf(`check:${check}`).map(([status]) => bare(status));
    expect(inCode.length).toBeGreaterThan(1);
    expect([...inDocument].sort()).toEqual([...inCode].sort());
  });

  test("explains every status", () => {
    const named = [...document.matchAll(/^\| `(?<status>[a-z]+)` \| [A-Z]/gmu)];
    const explained = new Set(named.map(({ groups }) => groups?.["status"] ?? ""));
    expect(STATUSES.filter((status) => !explained.has(status))).toEqual([]);
  });

  test("has the errors of the code, of every check that can close a gate", () => {
    const strict = { liveness: "cluster", futureReplicas: "fail" } as const;
    const errors = (check: (typeof CHECKS)[number], status: "fail" | "unknown") =>
      GATES.flatMap((gate) => {
        const reason = check === "log-directories" ? "offline: <dir>" : "REASON";
        const verdict = { check, status, reason, durationMs: 0 };
        return passGate(gate, [verdict], strict).error ?? [];
      }).map((error) => error.replace(/(?:REASON|(?<=: )offline: <dir>)$/u, ""));
    const rows = new Map(rowsOf("errors").map((row) => [bare(row[0]), row] as const));
    const closing = CHECKS.filter((check) => errors(check, "unknown").length > 0);
    expect([...rows.keys()]).toEqual(closing);
    for (const check of closing) {
      const [, fail = "", unknown = ""] = rows.get(check) ?? [];
      for (const error of errors(check, "fail")) expect(fail).toContain(`\`${error}\``);
      const same = unknown === "the same" ? fail : unknown;
      for (const error of errors(check, "unknown")) expect(same).toContain(`\`${error}\``);
    }
  });
});
