/** The sidecar's command line. */
import { describe, expect, test } from "bun:test";
import { parseArguments } from "../../shared/cli/arguments.ts";
import { SIDECAR } from "../../sidecar/commands.ts";

describe("the sidecar's command line", () => {
  const right: readonly [string, unknown][] = [
    ["control-plane", { command: "control-plane", plan: false, takeOver: false }],
    ["control-plane --plan", { command: "control-plane", plan: true, takeOver: false }],
    ["control-plane --plan --take-over", { command: "control-plane", plan: true, takeOver: true }],
    ["ingest", { command: "ingest" }],
    [
      "withdraw --client-id af-10 --yes",
      { command: "withdraw", clientId: "af-10", yes: true, force: false },
    ],
    [
      "withdraw --client-id af-10 --force",
      { command: "withdraw", clientId: "af-10", yes: false, force: true },
    ],
    ["withdraw --dead-for 30d", { command: "withdraw", deadForMs: 2_592_000_000, yes: false }],
    ["check kafka", { command: "check kafka", role: "control-plane", timeoutMs: 30_000 }],
    [
      "check kafka --as worker --timeout 1m",
      { command: "check kafka", role: "worker", timeoutMs: 60_000 },
    ],
    ["release-brake", { command: "release-brake", yes: false }],
    ["accept-registry --yes", { command: "accept-registry", yes: true }],
  ];
  test.each(right)("%s", (line, run) => {
    const read: unknown = parseArguments(SIDECAR, line.split(" "));
    expect(read).toEqual({ ok: true, value: { kind: "run", run } });
  });
  const wrong: readonly [string, string][] = [
    ["withdraw", "withdraw wants --client-id or --dead-for, and not both"],
    ["withdraw --client-id a --dead-for 30d", "--client-id or --dead-for, and not both"],
    ["withdraw --dead-for 30", 'withdraw: --dead-for="30": a unit is missing'],
    ["withdraw --dead-for 30d --force", "--force is for --client-id alone"],
    ["withdraw --dead-for 1ms", "is shorter than 1s"],
    ["withdraw --client-id _A", 'withdraw: --client-id="_A": is no client id: 1 to 200 of'],
    ["ingest --yes", "ingest: Unknown option '--yes'"],
  ];
  test.each(wrong)("%s is refused", (line, message) => {
    const read = parseArguments(SIDECAR, line.split(" "));
    expect(read.ok ? "" : read.error).toContain(message);
  });
});
