/** Which tests a change concerns. */
import { describe, expect, test } from "bun:test";
import { concernedTests } from "./changed.ts";

const BROKER = "test/system/broker-basic.test.ts";
const FLEET = "test/system/lifecycle.test.ts";
const CHARTS = "test/system/charts.test.ts";
const DOCKER = "test/contract/runtime-contract-docker.test.ts";
const TESTS = [BROKER, FLEET, CHARTS, DOCKER];
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  [FLEET]: ["test/bed/control-plane.ts"],
};
const concerned = (...changed: string[]) =>
  concernedTests(changed, TESTS, (path) => new Set(IMPORTS[path] ?? []));

describe("concernedTests()", () => {
  test.each([
    { changed: "docs/operating.md", tests: [] },
    { changed: "sidecar/broker/drain.ts", tests: [BROKER] },
    { changed: "charts/agent/values.yaml", tests: [CHARTS] },
    { changed: "sidecar/control-plane/runtime/docker/list.ts", tests: [DOCKER] },
    { changed: "sidecar/control-plane/plan/plan.ts", tests: [FLEET, CHARTS, DOCKER] },
    { changed: FLEET, tests: [FLEET] },
    { changed: "test/bed/control-plane.ts", tests: [FLEET] },
  ])("names those of $changed", ({ changed, tests }) => {
    expect(concerned(changed)).toEqual(tests);
  });

  test.each(["shared/kafka/error.ts", "package.json", "test/bed/process.ts", "build.ts"])(
    "names all for %s, on which all rest",
    (changed) => expect(concerned(changed)).toEqual(TESTS),
  );

  test("names nothing when nothing changed", () => expect(concerned()).toEqual([]));
});
