import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { ClientId } from "../../../../../shared/protocol/client-id.ts";
import {
  type ContainerSettings,
  containerOf,
  dockerProgram,
} from "../../../../../sidecar/control-plane/runtime/docker/container.ts";
import { exitOfCode } from "../../../../../sidecar/control-plane/runtime/docker/list.ts";
import { repositoryOf } from "../../../../../sidecar/control-plane/runtime/docker/original.ts";
import { tarOf } from "../../../../../sidecar/control-plane/runtime/docker/tar.ts";

const SETTINGS: ContainerSettings = {
  image: "graph:1",
  network: "net",
  memoryBytes: 1,
  cpuMillis: 1,
  secrets: "env",
  isPublic: (name) => name === "SASL_USERNAME",
};
const SPEC = {
  clientId: v.parse(ClientId, "af-1"),
  name: "kg-graph-builder-af-1",
  fleet: "f",
  specHash: "h",
  environment: { CLIENT_ID: "af-1" },
  secrets: { NEO4J_PASS: "hidden", SASL_USERNAME: "me" },
};

describe("dockerProgram()", () => {
  test.each([
    { image: "graph:2" },
    { network: "other" },
    { memoryBytes: 2 },
    { cpuMillis: 2 },
    { secrets: "file" },
    { labels: { team: "edge" } },
    { mounts: [{ kind: "volume", source: "v1", target: "/v", readOnly: true }] },
  ] as const)("changes with %o", (change) => {
    expect(dockerProgram({ ...SETTINGS, ...change })).not.toEqual(dockerProgram(SETTINGS));
  });
});

describe("containerOf()", () => {
  test("gives secrets as variables", () => {
    const { body, files } = containerOf(SPEC, SETTINGS, 10);
    expect(body.Env).toEqual(["CLIENT_ID=af-1", "NEO4J_PASS=hidden", "SASL_USERNAME=me"]);
    expect([files.size, body.HostConfig?.Mounts]).toEqual([0, undefined]);
  });
  test("gives secrets as files, and what is none as a variable all the same", () => {
    const { body, files } = containerOf(SPEC, { ...SETTINGS, secrets: "file" }, 10);
    expect(body.Env).toEqual([
      "CLIENT_ID=af-1",
      "SASL_USERNAME=me",
      "NEO4J_PASS_FILE=/run/secrets/NEO4J_PASS",
    ]);
    expect([...files]).toEqual([["NEO4J_PASS", "hidden"]]);
    expect(JSON.stringify(body)).not.toContain("hidden");
  });
});

describe("containerOf() with what an operator adds", () => {
  test("puts files beside secrets that stay variables, and names them", () => {
    const { body, files } = containerOf({ ...SPEC, files: { TLS_CA: "PEM\n" } }, SETTINGS, 10);
    expect(body.Env).toContain("TLS_CA_FILE=/run/secrets/TLS_CA");
    expect(body.Env).toContain("NEO4J_PASS=hidden");
    expect([...files]).toEqual([["TLS_CA", "PEM\n"]]);
    expect(body.HostConfig?.Mounts).toMatchObject([{ Target: "/run/secrets", Source: "" }]);
  });
  test("lets no label take the place of one of ours", () => {
    const labels = { team: "edge", "outrider.client-id": "other" };
    expect(containerOf(SPEC, { ...SETTINGS, labels }, 10).body.Labels).toMatchObject({
      ...{ team: "edge", "outrider.client-id": "af-1" },
    });
  });
  test("mounts volumes beside the secrets", () => {
    const mounts = [{ kind: "bind", source: "/srv", target: "/data", readOnly: false }] as const;
    const settings = { ...SETTINGS, secrets: "file", mounts } as const;
    expect(containerOf(SPEC, settings, 10).body.HostConfig?.Mounts).toMatchObject([
      { Target: "/run/secrets" },
      { Type: "bind", Source: "/srv", Target: "/data", ReadOnly: false },
    ]);
  });
});

describe("tarOf()", () => {
  test("is read by tar, whatever the sizes", () => {
    const files = new Map([
      ["empty", ""],
      ["one", "a"],
      ["block", "b".repeat(512)],
      ["more", `${"ü".repeat(300)}\n`],
    ]);
    for (const [name, text] of files) {
      const read = Bun.spawnSync(["tar", "-xOf", "-", name], { stdin: tarOf(files) });
      expect([read.exitCode, read.stdout.toString()]).toEqual([0, text]);
    }
    const listed = Bun.spawnSync(["tar", "-tvf", "-"], { stdin: tarOf(files) });
    expect(listed.stdout.toString().match(/^-r--r--r-- 0\/0/gmu)).toHaveLength(files.size);
  });
  test("refuses a name that it cannot hold", () => {
    expect(tarOf(new Map([["n".repeat(100), ""]])).length).toBe(1536);
    expect(() => tarOf(new Map([["n".repeat(101), ""]]))).toThrow("longer than 100 bytes");
  });
});

test.each([
  [0, 0],
  [1, 1],
  [127, 127],
  [128, 128],
  [137, "signal:SIGKILL"],
  [143, "signal:SIGTERM"],
  [255, 255],
] as const)("exitOfCode() says %p as %p", (code, exit) => expect(exitOfCode(code)).toBe(exit));

test.each([
  ["graph", "graph"],
  ["graph:1.0.20", "graph"],
  ["me/graph:1@sha256:ab", "me/graph"],
  ["docker.io/library/graph:1", "graph"],
  ["docker.io/me/graph", "me/graph"],
  ["host:5000/me/graph", "host:5000/me/graph"],
  ["host:5000/me/graph:2", "host:5000/me/graph"],
  ["sha256:abc", "sha256"],
] as const)("repositoryOf() says %s as %s", (image, repository) => {
  expect(repositoryOf(image)).toBe(repository);
});
