/** What a Helm hook forgives, and what not. */
import { expect, test } from "bun:test";
import { answerMissing, unlessIgnored } from "../../../agent/register/failure-policy.ts";

const failed = { exit: 69, line: "Kafka at kafka:9092 cannot be reached" } as const;

test("tolerated() ends with 0 only where everything is tolerated, and says what went wrong", () => {
  expect(unlessIgnored(failed, "nothing")).toBe(failed);
  expect(unlessIgnored(failed, "unconfirmed")).toBe(failed);
  const { exit, line } = unlessIgnored(failed, "everything");
  expect(exit).toBe(0);
  expect(line).toMatch(/^IGNORED.*exit code 69\): Kafka at kafka:9092 cannot be reached\n/u);
  expect(line).toContain("CLEANUP_TIMEOUT");
});

test("tolerated() and answerMissing() leave what went well as it is", () => {
  const done = { exit: 0, line: "withdrew af-10" } as const;
  expect(unlessIgnored(done, "everything")).toBe(done);
  expect(answerMissing(done, "unconfirmed")).toBe(done);
});

test("answerMissing() warns, unless nothing is tolerated", () => {
  const open = { exit: 75, line: "registered af-10; not confirmed" } as const;
  expect(answerMissing(open, "nothing")).toBe(open);
  expect(answerMissing(open, "unconfirmed")).toEqual({
    exit: 0,
    line: "WARNING: registered af-10; not confirmed",
  });
});
