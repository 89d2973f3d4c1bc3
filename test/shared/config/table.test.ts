/** The table of variables: typed values, or all that is wrong at once. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import {
  bytes,
  command,
  cpu,
  duration,
  flag,
  integer,
  oneOf,
} from "../../../shared/config/schema.ts";
import {
  check,
  optional,
  optionalSecret,
  parseEnvironment,
  problemText,
  required,
  withDefault,
} from "../../../shared/config/table.ts";
import { markdownTable, variablesText } from "../../../shared/config/table-text.ts";
import { fixedHost } from "./fixed-host.ts";

const table = {
  clientId: required({ name: "ID", schema: v.string(), describe: "d", seed: true }),
  shownName: withDefault({
    name: "NAME",
    schema: v.string(),
    default: { shown: "the id", from: ({ text }) => text("ID") },
    describe: "d",
  }),
  shortMs: withDefault({
    name: "SHORT",
    schema: duration({ minMs: 1000, maxMs: 60_000 }),
    default: "2s",
    describe: "how short",
  }),
  longMs: optional({ name: "LONG", schema: duration({ minMs: 0 }), describe: "d" }),
  password: optionalSecret({
    name: "PASSWORD",
    schema: v.pipe(v.string(), v.minLength(3, "is too short")),
    describe: "d",
  }),
} as const;
const { shortMs, longMs } = table;
const checks = [
  check({ shortMs, longMs }, (c) =>
    c.longMs !== undefined && c.longMs < c.shortMs
      ? { name: "LONG", message: "is shorter than SHORT" }
      : undefined,
  ),
];
const files = { "/secret": "hunter2\n", "/short": "x" };
const read = (environment: Record<string, string>) =>
  parseEnvironment(table, checks, environment, fixedHost(files));
const problems = (environment: Record<string, string>) => {
  const config = read(environment);
  return config.ok ? [] : config.error.map(problemText);
};

describe("parseEnvironment()", () => {
  test("gives typed values, with defaults and derived ones", () => {
    const config = read({ ID: "a", LONG: "3s" });
    if (!config.ok) throw new Error("refused");
    const { clientId, shownName, shortMs: short, longMs: long, password } = config.value;
    // Types, as well as values: this does not compile when one of them is not inferred.
    const numbers: readonly number[] = [short, long ?? 0];
    const texts: readonly string[] = [clientId, shownName];
    expect([numbers, texts, password]).toEqual([[2000, 3000], ["a", "a"], undefined]);
  });
  test("counts an empty value as unset", () => {
    expect(problems({ ID: "", SHORT: "" })).toContain("ID: is required");
    expect(problems({ ID: "a", SHORT: "", PASSWORD: "", PASSWORD_FILE: "" })).toEqual([]);
  });
  test("names everything that is wrong at once, with value and what is allowed", () => {
    expect(problems({ SHORT: "5", LONG: "x", PASSWORD: "no" })).toEqual([
      "ID: is required",
      "NAME: is required",
      'SHORT="5": a unit is missing: 5s or 5m? (allowed: a duration, 1s to 1m)',
      'LONG="x": is not a duration such as 30s, 1.5h or 1h30m (allowed: a duration, 0s or more)',
      "PASSWORD: is too short",
    ]);
  });
  test("checks across variables even when others are wrong, and only when its own are right", () => {
    expect(problems({ LONG: "1s" })).toContain("LONG: is shorter than SHORT");
    expect(problems({ ID: "a", LONG: "1s", SHORT: "x" })).toHaveLength(1);
  });
  test("reads a secret from its file", () => {
    const config = read({ ID: "a", PASSWORD_FILE: "/secret" });
    expect(config.ok && config.value.password?.read()).toBe("hunter2");
  });
  test("refuses a secret given twice, in no file, or in a file but wrong, and never shows it", () => {
    const both = problems({ ID: "a", PASSWORD: "hunter2", PASSWORD_FILE: "/secret" });
    expect(both).toEqual(["PASSWORD: is set, and so is PASSWORD_FILE: one of them, not both"]);
    expect(problems({ ID: "a", PASSWORD_FILE: "/gone" })).toEqual([
      "PASSWORD: PASSWORD_FILE: the file /gone cannot be read",
    ]);
    expect(problems({ ID: "a", PASSWORD_FILE: "/short" })).toEqual(["PASSWORD: is too short"]);
    expect(JSON.stringify(read({ ID: "a", PASSWORD: "hunter2" }))).not.toContain("hunter2");
  });
});

describe("a table as text", () => {
  test("markdownTable() has a row a variable", () => {
    const rows = markdownTable(table).split("\n");
    expect(rows).toHaveLength(2 + Object.keys(table).length);
    expect(rows[2]).toBe("| `ID` | required | text | d |");
    expect(rows[4]).toBe("| `SHORT` + | 2s | a duration, 1s to 1m | how short |");
    expect(rows[6]).toContain("`PASSWORD` +, or `PASSWORD_FILE`");
  });
  test("variablesText() names every variable", () => {
    for (const { about } of Object.values(table)) {
      expect(variablesText(table)).toContain(`  ${about.name}`);
    }
  });
});

describe("schemas", () => {
  const cases: readonly [string, v.GenericSchema<string, unknown>, string, unknown][] = [
    ["duration at its least", duration({ minMs: 6000 }), "6s", 6000],
    ["duration one past", duration({ minMs: 6000 }), "5999ms", "is shorter than 6s"],
    ["duration at its most", duration({ minMs: 0, maxMs: 3_600_000 }), "1h", 3_600_000],
    [
      "duration one past",
      duration({ minMs: 0, maxMs: 3_600_000 }),
      "3600001ms",
      "is longer than 1h",
    ],
    ["integer at its most", integer({ min: 0, max: 100 }), "100", 100],
    ["integer one past", integer({ min: 0, max: 100 }), "101", "is more than 100"],
    ["integer one before", integer({ min: 0, max: 100 }), "-1", "is less than 0"],
    ["no integer", integer({ min: 0, max: 100 }), "1.5", "is not a whole number"],
    ["flag", flag(), "TRUE", true],
    ["flag", flag(), "0", false],
    ["no flag", flag(), "maybe", "is neither true nor false"],
    ["choice", oneOf(["a", "b"]), "b", "b"],
    ["no choice", oneOf(["a", "b"]), "c", "is none of a, b"],
    ["memory", bytes({ minBytes: 1024, shown: "1k" }), "1Ki", 1024],
    ["memory one past", bytes({ minBytes: 1024, shown: "1k" }), "1023", "is less than 1k"],
    ["CPUs", cpu({ minMillis: 10 }), "10m", 10],
    ["CPUs one past", cpu({ minMillis: 10 }), "9m", "is less than 0.01 CPUs"],
    ["command", command(), "a 'b c'", ["a", "b c"]],
  ];
  test.each([...cases])("%s", (_name, schema, text, want) => {
    const got = v.safeParse(schema, text);
    expect(got.success ? got.output : got.issues[0].message).toEqual(want);
  });
});
