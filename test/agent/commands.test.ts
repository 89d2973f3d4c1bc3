/** The agent's command line. */
import { describe, expect, test } from "bun:test";
import { AGENT } from "../../agent/commands.ts";
import { parseArguments } from "../../shared/cli/arguments.ts";

describe("the agent's command line", () => {
  const right: readonly [string, unknown][] = [
    [
      "register",
      { command: "register", waitMs: undefined, failurePolicy: "nothing", force: false },
    ],
    [
      "register --wait 60s",
      { command: "register", waitMs: 60_000, failurePolicy: "nothing", force: false },
    ],
    [
      "deregister --wait=1m30s",
      { command: "deregister", waitMs: 90_000, failurePolicy: "nothing", force: false },
    ],
    [
      "register --wait 24h",
      { command: "register", waitMs: 86_400_000, failurePolicy: "nothing", force: false },
    ],
    [
      "register --wait 9s --on-unconfirmed warn",
      { command: "register", waitMs: 9000, failurePolicy: "unconfirmed", force: false },
    ],
    [
      "deregister --on-failure ignore",
      { command: "deregister", failurePolicy: "everything", force: false },
    ],
    [
      "deregister --on-failure fail",
      { command: "deregister", failurePolicy: "nothing", force: false },
    ],
    ["deregister --force", { command: "deregister", failurePolicy: "nothing", force: true }],
    ["check kafka", { command: "check kafka", timeoutMs: 30_000 }],
    ["check kafka --timeout 5s", { command: "check kafka", timeoutMs: 5000 }],
    ["heartbeat", { command: "heartbeat" }],
    ["run", { command: "run", deregisterOnExit: false, reRegister: false }],
    ["run --deregister-on-exit", { command: "run", deregisterOnExit: true, reRegister: false }],
    ["run --re-register", { command: "run", deregisterOnExit: false, reRegister: true }],
  ];
  test.each(right)("%s", (line, run) => {
    expect<unknown>(parseArguments(AGENT, line.split(" "))).toEqual({
      ok: true,
      value: { kind: "run", run },
    });
  });
  const wrong: readonly [string, string][] = [
    ["", "a command is missing"],
    ["announce", 'unknown command "announce": one of register, heartbeat, deregister, run'],
    ["toString", 'unknown command "toString"'],
    ["register --wiat 60s", "register: Unknown option '--wiat'"],
    ["register now", "register: Unexpected argument 'now'"],
    ["register --wait", "register: Option '--wait <value>' argument missing"],
    ["register --wait 60", 'register: --wait="60": a unit is missing: 60s or 60m?'],
    ["register --wait 597h", 'register: --wait="597h": is longer than 24h'],
    ["deregister --wait 86401s", 'deregister: --wait="86401s": is longer than 24h'],
    ["deregister --on-failure maybe", '--on-failure="maybe": is none of fail, ignore'],
    ["register --on-failure ignore", "register: Unknown option '--on-failure'"],
    ["check", 'unknown command "check"'],
    ["check kafka now", "check kafka: Unexpected argument 'now'"],
    ["heartbeat --wait 60s", "heartbeat: Unknown option '--wait'"],
    [
      "run --deregister-on-exit=yes",
      "run: Option '--deregister-on-exit' does not take an argument",
    ],
  ];
  test.each(wrong)("%p is refused", (line, message) => {
    const read = parseArguments(AGENT, line === "" ? [] : line.split(" "));
    expect(read.ok ? "" : read.error).toContain(message);
  });
  test.each(["--help", "-h", "help"])("%s names every command", (word) => {
    const read = parseArguments(AGENT, [word]);
    const text = read.ok && read.value.kind === "help" ? read.value.text : "";
    for (const name of Object.keys(AGENT.commands)) expect(text).toContain(`\n  ${name} `);
  });
  test("register --help shows flags and variables", () => {
    const read = parseArguments(AGENT, ["register", "--help"]);
    const text = read.ok && read.value.kind === "help" ? read.value.text : "";
    expect(text).toContain("--wait DURATION");
    expect(text).toContain("  CLIENT_ID [required]");
  });
  test("--version is known with and without a command", () => {
    for (const line of [["--version"], ["run", "--version"]]) {
      expect(parseArguments(AGENT, line)).toEqual({ ok: true, value: { kind: "version" } });
    }
  });
});
