import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { helmVersion } from "../bed/helm.ts";
import { kafkaChoice } from "../bed/kafka/version.ts";
import { MATRIX, matrixJobs } from "./matrix.ts";
import { allJobs, chosenJobs } from "./suite.ts";

const ROOT = join(import.meta.dir, "../..");
const jobs = allJobs(ROOT);
const namesOf = (names: readonly string[], matrix: boolean) =>
  chosenJobs(jobs, { names, matrix }).map(({ name }) => name);

describe("kafkaChoice()", () => {
  test.each([
    [undefined, "4.4.0", "kraft"],
    ["", "4.4.0", "kraft"],
    ["3.6.2", "3.6.2", "kraft"],
    ["2.8.2-zookeeper", "2.8.2", "zookeeper"],
  ] as const)("reads %p", (text, version, mode) => {
    expect(kafkaChoice(text)).toEqual({ version, mode });
  });

  test.each(["4.4.0-zookeeper", "2.8.2", "3.9", "zookeeper", "-zookeeper"])(
    "refuses %p",
    (text) => {
      expect(() => kafkaChoice(text)).toThrow(`BED_KAFKA=${text}: the bed has 4.4.0, `);
    },
  );
});

describe("matrixJobs()", () => {
  test("names versions that the beds have, and files that there are", () => {
    for (const { on } of MATRIX) {
      expect(kafkaChoice(on.BED_KAFKA)).toBeDefined();
      expect(helmVersion(on.BED_HELM)).toBeDefined();
    }
    const rows = [{ on: { BED_KAFKA: "3.9.2" }, files: ["system/nothing"], always: false }];
    expect(() => matrixJobs(["test/system/lifecycle.test.ts"], rows)).toThrow("system/nothing");
  });

  test("runs no file twice on the same servers", () => {
    const file = "test/system/lifecycle.test.ts";
    const row = (always: boolean) => ({ on: { BED_KAFKA: "3.9.2" }, files: ["system/"], always });
    expect(matrixJobs([file], [row(true), row(false)])).toEqual([
      { file, env: { BED_KAFKA: "3.9.2" }, label: "kafka 3.9.2", always: true },
    ]);
  });
});

describe("chosenJobs()", () => {
  const old = "broker-basic.test.ts on kafka 2.8.2-zookeeper";
  const rest = "broker-roll.test.ts on kafka 2.8.2-zookeeper";

  test("has the newest servers and one old of each in a whole run, the rest in the matrix", () => {
    const whole = namesOf([], false);
    expect(whole).toContain("broker-basic.test.ts");
    expect(whole).toContain(old);
    expect(whole).not.toContain(rest);
    const matrix = namesOf([], true);
    expect(matrix[0]).toBe("build");
    expect(matrix).toContain(rest);
    expect(matrix).not.toContain(old);
    expect(matrix).not.toContain("broker-basic.test.ts");
  });

  test("runs a named file on the newest servers, or with the matrix on all others", () => {
    expect(namesOf(["broker-basic"], false)).toEqual(["broker-basic.test.ts"]);
    expect(namesOf(["broker-basic"], true)).toContain(old);
    expect(namesOf(["2.8.2"], true)).toContain(old);
    expect(namesOf(["2.8.2"], true)).not.toContain("lifecycle.test.ts on kafka 3.9.2");
  });
});
