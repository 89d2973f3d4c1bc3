/** The derived worker: names that stay labels and apart, and a hash without secrets. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ClientId, isClientId } from "../../../../shared/protocol/client-id.ts";
import {
  specHashOf,
  type WorkerSettings,
  workerNameOf,
  workerSpec,
} from "../../../../sidecar/control-plane/worker/spec.ts";
import { clientIds } from "../../../shared/protocol/arbitrary.ts";
import { A, FLEET, idOf } from "../sample.ts";

const PREFIX = "kg-graph-builder-";
const settingsOf = (changes: Partial<WorkerSettings> = {}): WorkerSettings => ({
  fleet: FLEET,
  program: ["worker", "--all"],
  environment: { KAFKA_BROKERS: "kafka:9092" },
  secretEnvironment: () => ({ NEO4J_PASS: "secret" }),
  ...changes,
});

describe("workerNameOf()", () => {
  test.each([
    [1, 18],
    [46, 63],
    [47, 63],
    [63, 63],
  ])("of a client id of %d characters has %d", (length, want) => {
    expect(workerNameOf(idOf("a".repeat(length))).length).toBe(want);
  });
  test("is the seed's up to its limit", () => {
    const id = idOf("a".repeat(46));
    expect(workerNameOf(id)).toBe(`${PREFIX}${id}`);
  });
  test("ends in a hash of the whole when it is shortened", () => {
    expect(workerNameOf(idOf(`a${"-".repeat(61)}b`))).toMatch(
      /^kg-graph-builder--a-+[0-9a-f]{10}$/u,
    );
  });
  test("is a label, the same each time", () => {
    fc.assert(
      fc.property(clientIds, (id) => {
        expect(isClientId(workerNameOf(id))).toBe(true);
        expect(workerNameOf(id)).toBe(workerNameOf(id));
      }),
    );
  });
  test("is unique among ids that differ behind the cut", () => {
    const tail = fc.stringMatching(/^[a-z0-9]{1,10}$/u);
    fc.assert(
      fc.property(tail, tail, (one, other) => {
        const stem = "a".repeat(53);
        const names = new Set([one, other].map((text) => workerNameOf(idOf(stem + text))));
        expect(names.size).toBe(new Set([one, other]).size);
      }),
    );
  });
  test("cannot be taken by a client that registers as somebody's shortened name", () => {
    const victim = workerNameOf(idOf("a".repeat(63)));
    expect(isClientId(victim.slice(PREFIX.length))).toBe(false);
  });
});

describe("specHashOf()", () => {
  const hash = specHashOf(settingsOf());
  test("is 16 hexadecimal digits", () => expect(hash).toMatch(/^[0-9a-f]{16}$/u));
  const changes: readonly [string, Partial<WorkerSettings>, boolean][] = [
    ["another program", { program: ["worker", "--one"] }, true],
    ["an argument cut otherwise", { program: ["worker --all"] }, true],
    ["another value", { environment: { KAFKA_BROKERS: "other:9092" } }, true],
    ["another name", { environment: { KAFKA_BROKER: "kafka:9092" } }, true],
    ["another secret's name", { secretEnvironment: () => ({ NEO4J_PASSWORD: "secret" }) }, true],
    ["another secret", { secretEnvironment: () => ({ NEO4J_PASS: "other" }) }, false],
    ["another fleet", { fleet: "fleet-2" }, false],
  ];
  test.each(changes)("%s", (_name, change, differs) => {
    expect(specHashOf(settingsOf(change)) !== hash).toBe(differs);
  });
  test("does not depend on the order of the environment", () => {
    const of = (environment: Record<string, string>) => specHashOf(settingsOf({ environment }));
    expect(of({ a: "1", b: "2" })).toBe(of({ b: "2", a: "1" }));
  });
});

describe("workerSpec()", () => {
  test("gives client id and group, which no setting can change", () => {
    const environment = { CLIENT_ID: "other", KAFKA_GROUP: "other", X: "1" };
    expect(workerSpec(A, settingsOf({ environment }), "h")).toEqual({
      ...{ clientId: A, name: `${PREFIX}${A}`, fleet: FLEET, specHash: "h" },
      environment: {
        ...{ X: "1" },
        ...{ CLIENT_ID: A, KAFKA_GROUP: `kg-builder-${A}` },
      },
      secrets: { NEO4J_PASS: "secret" },
    });
  });
  test("lets no secret take the place of the worker's identity", () => {
    const secretEnvironment = () => ({ CLIENT_ID: "other", KAFKA_GROUP: "other", A: "1" });
    const spec = workerSpec(A, settingsOf({ secretEnvironment }), "h");
    expect(spec.secrets).toEqual({ A: "1" });
    expect(spec.environment["CLIENT_ID"]).toBe(A);
  });
  test("gives the secret as it is now", () => {
    let secret = "one";
    const settings = settingsOf({ secretEnvironment: () => ({ NEO4J_PASS: secret }) });
    secret = "two";
    const id: ClientId = A;
    expect(workerSpec(id, settings, "h").secrets["NEO4J_PASS"]).toBe("two");
  });
});
