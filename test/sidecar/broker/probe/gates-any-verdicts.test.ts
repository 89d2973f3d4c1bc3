/** The gates, whatever the checks say: what may close which. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  CHECKS,
  type CheckName,
  STATUSES,
  type Verdict,
} from "../../../../sidecar/broker/check/check.ts";
import {
  GATES,
  type GateSettings,
  passGate,
  roleOf,
} from "../../../../sidecar/broker/probe/gates.ts";

const LOCAL: GateSettings = { liveness: "local", futureReplicas: "warn" };
const CLUSTER: GateSettings = { ...LOCAL, liveness: "cluster" };

const anyVerdicts: fc.Arbitrary<readonly Verdict[]> = fc.tuple(
  ...CHECKS.map((check) =>
    fc
      .constantFrom(...STATUSES)
      .map((status) => ({ check, status, reason: "because", durationMs: 1 })),
  ),
);
const statusOf = (verdicts: readonly Verdict[], name: CheckName) =>
  verdicts.find(({ check }) => check === name)?.status;

describe("whatever the verdicts,", () => {
  test("liveness fails for nothing but the local broker's answer", () => {
    fc.assert(
      fc.property(anyVerdicts, (verdicts) => {
        const { healthy } = passGate("live", verdicts, LOCAL);
        expect(healthy).toBe(statusOf(verdicts, "broker-answers") !== "fail");
      }),
    );
  });
  test("a healthy answer, but for liveness, means that every gate passed", () => {
    fc.assert(
      fc.property(anyVerdicts, fc.constantFrom(...GATES.slice(1)), (verdicts, gate) => {
        const gates = CHECKS.filter((check) => roleOf(check, gate, LOCAL) === "gate");
        const good = gates.every((check) =>
          ["pass", "warn", "skipped"].includes(statusOf(verdicts, check) ?? ""),
        );
        const strict = CHECKS.filter((check) => roleOf(check, gate, LOCAL) === "strict").every(
          (check) => ["pass", "skipped"].includes(statusOf(verdicts, check) ?? ""),
        );
        expect(passGate(gate, verdicts, LOCAL).healthy).toBe(good && strict);
      }),
    );
  });
  test("there is an error exactly when unhealthy", () => {
    fc.assert(
      fc.property(anyVerdicts, fc.constantFrom(...GATES), (verdicts, gate) => {
        const { healthy, error } = passGate(gate, verdicts, CLUSTER);
        expect(error === undefined).toBe(healthy);
      }),
    );
  });
});
