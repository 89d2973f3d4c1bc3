/** From the configuration to the workers' settings, and which runtime is chosen. */

import { describe, expect, test } from "bun:test";
import { openLog } from "../../../../shared/log.ts";
import { err, ok } from "../../../../shared/result.ts";
import { readControlPlaneConfig } from "../../../../sidecar/control-plane/config.ts";
import {
  openRuntime,
  openWorkers,
  type Surroundings,
} from "../../../../sidecar/control-plane/worker/environment.ts";
import { specHashOf, workerSpec } from "../../../../sidecar/control-plane/worker/spec.ts";
import { clockOf } from "../../../clock.ts";
import { A } from "../sample.ts";

type Variables = Readonly<Record<string, string>>;

const ENV_FILE = "/etc/worker.env";
const CA = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

function worldOf(environment: Variables, existing: readonly string[] = []) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const around: Surroundings = {
    environment,
    hostname: "host",
    executable: "/bin/sidecar",
    exists: (path) => existing.includes(path),
    readFile: (path) =>
      path === ENV_FILE
        ? ok("SASL_USERNAME=worker\nSASL_PASSWORD='own secret'\n")
        : err(`no ${path}`),
    clock: clockOf({ nowMs: () => 0, random: () => 0 }),
    log: openLog({ level: "info", format: "json", write, clock: clockOf({ nowMs: () => 0 }) }),
    signal: AbortSignal.abort(),
  };
  return { around, lines };
}

function configOf(environment: Variables, files: Variables = {}) {
  const readFile = (path: string) => ok(files[path] ?? "");
  const host = { terminal: false, readFile, writable: () => true };
  const config = readControlPlaneConfig(environment, host);
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  return config.value;
}

function settingsOf(environment: Variables) {
  const opened = openWorkers(configOf(environment), worldOf(environment).around);
  if (!opened.ok) throw new Error(opened.error);
  return opened.value("fleet");
}

describe("openRuntime()", () => {
  const opening = async (environment: Variables, existing: readonly string[] = []) => {
    // Its signal has aborted: nothing is waited for, whatever runs on this machine.
    const { around, lines } = worldOf({ DOCKER_TLS: "1", ...environment }, existing);
    const opened = await openRuntime(configOf(environment), around, { takeOver: false });
    return { opened, chosen: lines.join("\n") };
  };
  test.each([
    [{ RUNTIME: "docker" }, [], "RUNTIME says so"],
    [{ DOCKER_HOST: "tcp://engine" }, [], "DOCKER_HOST is tcp://engine"],
    [{}, ["/var/run/docker.sock"], "there is /var/run/docker.sock"],
  ] as const)(
    "takes docker for %o and %o, and nothing else when that fails",
    async (given, existing, because) => {
      const { opened, chosen } = await opening(given, existing);
      expect(chosen).toContain(`"runtime":"docker","because":"${because}"`);
      expect(opened.ok ? "" : opened.error.detail).toContain("engine");
    },
  );
  test("takes processes where there is no engine; an empty DOCKER_HOST is none", async () => {
    const { opened, chosen } = await opening({ DOCKER_HOST: "", STATE_DIR: "/proc/none" });
    expect(chosen).toContain('"runtime":"process"');
    expect(opened.ok ? "" : opened.error.detail).toContain("STATE_DIR");
  });
  test("refuses to take over where workers are no containers", async () => {
    const { around } = worldOf({});
    const opened = await openRuntime(configOf({}), around, { takeOver: true });
    expect(opened).toMatchObject({ ok: false, error: { exit: 64 } });
    expect(opened.ok ? "" : opened.error.detail).toContain("--take-over");
  });
});

describe("openWorkers()", () => {
  const DOCKER = { RUNTIME: "docker" } as const;
  test.each([
    { GRAPH_BUILDER_IMAGE: "other:1" },
    { GB_MEMORY_LIMIT: "1G" },
    { GB_CPU_LIMIT: "2" },
    { DOCKER_NETWORK: "other" },
    { WORKER_SECRETS: "file" },
    { NEO4J_URI: "neo4j://other" },
  ] as const)("gives Docker's workers another hash with %o", (change) => {
    const before = specHashOf(settingsOf(DOCKER));
    expect(specHashOf(settingsOf(DOCKER))).toBe(before);
    expect(specHashOf(settingsOf({ ...DOCKER, ...change }))).not.toBe(before);
  });
  test("lets no change that Docker's workers do not see replace them", () => {
    const before = specHashOf(settingsOf(DOCKER));
    for (const change of [{ WORKER_COMMAND: "/bin/true" }, { NEO4J_PASS: "other" }]) {
      expect(specHashOf(settingsOf({ ...DOCKER, ...change }))).toBe(before);
    }
  });
  test("gives processes the hash of their command", () => {
    const given = { RUNTIME: "process", GB_MEMORY_LIMIT: "1G" };
    const before = specHashOf(settingsOf({ RUNTIME: "process" }));
    expect(specHashOf(settingsOf(given))).toBe(before);
    expect(specHashOf(settingsOf({ ...given, WORKER_COMMAND: "/bin/true" }))).not.toBe(before);
  });
  test("keeps the control plane's own credentials, unless they are to be inherited", () => {
    const own = {
      ...DOCKER,
      SASL_ENABLED: "true",
      SASL_USERNAME: "cp",
      SASL_PASSWORD: "cp secret",
    };
    const kept = settingsOf(own);
    expect(JSON.stringify([kept.environment, kept.secretEnvironment()])).not.toContain("cp");
    const given = settingsOf({ ...own, WORKER_INHERIT_KAFKA_AUTH: "true" });
    expect(given.environment).toMatchObject({ SASL_ENABLED: "true", SASL_USERNAME: "cp" });
    expect(given.secretEnvironment()).toMatchObject({ SASL_PASSWORD: "cp secret" });
    expect(JSON.stringify(given.environment)).not.toContain("cp secret");
  });
  const PATHS = {
    ...{ SASL_ENABLED: "true", SASL_USERNAME: "cp", SASL_PASSWORD_FILE: "/run/cp-password" },
    ...{ TLS_CA_FILE: "/etc/cp-ca.pem", TLS_SERVER_NAME: "kafka" },
    WORKER_INHERIT_KAFKA_AUTH: "true",
  };
  const inheriting = (environment: Variables, own: Variables = { "/etc/cp-ca.pem": CA }) => {
    const { around, lines } = worldOf(environment);
    const world: Record<string, string | undefined> = { ...own };
    const read = { "/run/cp-password": "cp secret", "/etc/cp-ca.pem": CA, ...own };
    const config = configOf(environment, read);
    const readFile = (path: string) => {
      const text = world[path];
      return text === undefined ? err(`no ${path}`) : ok(text);
    };
    const opened = openWorkers(config, { ...around, readFile });
    if (!opened.ok) throw new Error(opened.error);
    return { ...opened.value("fleet"), lines, world };
  };
  test.each(["docker", "kubernetes"])(
    "gives workers of %s password and files themselves, and no path of ours",
    (runtime) => {
      const { environment, secretEnvironment, files, lines } = inheriting({
        ...PATHS,
        RUNTIME: runtime,
      });
      const shown = { SASL_USERNAME: "cp", TLS_SERVER_NAME: "kafka", TLS_ENABLED: "true" };
      expect(environment).toMatchObject(shown);
      expect(secretEnvironment()).toMatchObject({ SASL_PASSWORD: "cp secret" });
      expect(Object.keys({ ...environment, ...secretEnvironment() }).join(" ")).not.toContain(
        "_FILE",
      );
      // 0.1 left them out: they are in no hash.
      expect(files).toMatchObject({ hashed: [] });
      expect(files?.read()).toEqual({ TLS_CA: CA });
      expect(lines).toEqual([]);
    },
  );
  test("gives a file on as soon as it is there, and its last content when it is gone", () => {
    const { files, world, lines } = inheriting({ ...PATHS, RUNTIME: "docker" });
    world["/etc/cp-ca.pem"] = undefined;
    expect(files?.read()).toEqual({});
    expect(lines.join()).toMatch(/"level":"error".*a TLS file cannot be passed on/u);
    world["/etc/cp-ca.pem"] = CA;
    expect(files?.read()).toEqual({ TLS_CA: CA });
    world["/etc/cp-ca.pem"] = undefined;
    expect(files?.read()).toEqual({ TLS_CA: CA });
  });
  test("says what is not given beside WORKER_SECRET", () => {
    const operators = { RUNTIME: "kubernetes", WORKER_SECRET: "operators" };
    const { files, lines } = inheriting({ ...PATHS, ...operators });
    expect(files).toBeUndefined();
    expect(lines.join()).toContain("put SASL_PASSWORD into it");
    expect(lines.join()).toMatch(/WORKER_POD_TEMPLATE.*TLS_CA_FILE/u);
    const own = { ...operators, WORKER_TLS_CA_FILE: "/etc/cp-ca.pem" };
    const refused = openWorkers(configOf(own, { "/etc/cp-ca.pem": CA }), worldOf(own).around);
    expect(refused.ok ? "" : refused.error).toMatch(/WORKER_TLS_CA_FILE.*WORKER_POD_TEMPLATE/u);
  });
  test("gives processes, which see our files, their paths, and warns of nothing", () => {
    const { environment, secretEnvironment, files, lines } = inheriting({
      ...PATHS,
      RUNTIME: "process",
    });
    expect(environment).toMatchObject({ TLS_CA_FILE: "/etc/cp-ca.pem" });
    expect(secretEnvironment()).toMatchObject({ SASL_PASSWORD: "cp secret" });
    expect(files).toBeUndefined();
    expect(lines).toEqual([]);
  });
  test("gives the workers' own TLS files on every runtime, and hashes that they are there", () => {
    const own = { WORKER_TLS_CA_FILE: "/etc/cp-ca.pem" };
    for (const runtime of ["docker", "kubernetes"]) {
      const settings = inheriting({ RUNTIME: runtime, ...own });
      expect(settings.environment).toMatchObject({ TLS_ENABLED: "true" });
      expect(settings.files?.read()).toEqual({ TLS_CA: CA });
      const without = settingsOf({ RUNTIME: runtime, KAFKA_BROKERS: "kafka:9092" });
      const asTls = { ...without, environment: settings.environment };
      expect(specHashOf(settings)).not.toBe(specHashOf(asTls));
    }
    const { environment } = inheriting({ RUNTIME: "process", ...own });
    expect(environment).toMatchObject({ TLS_ENABLED: "true", TLS_CA_FILE: "/etc/cp-ca.pem" });
  });
  test("prefers the workers' own file, and the file that the worker itself has", () => {
    const both = { ...PATHS, RUNTIME: "docker", WORKER_TLS_CA_FILE: "/etc/own-ca.pem" };
    const files = { "/etc/own-ca.pem": `own ${CA}` };
    expect(inheriting(both, files).files?.read()).toEqual({ TLS_CA: `own ${CA}` });
    const settings = inheriting(both, files);
    const secretEnvironment = () => ({ TLS_CA_FILE: "/in/the/image.pem" });
    expect(workerSpec(A, { ...settings, secretEnvironment }, "hash").files).toBeUndefined();
    expect(workerSpec(A, settings, "hash").files).toEqual({ TLS_CA: `own ${CA}` });
  });
  test.each([
    [{ RUNTIME: "process", WORKER_LABELS: "a=b" }, "WORKER_LABELS"],
    [{ RUNTIME: "kubernetes", WORKER_VOLUMES: "a1:/b" }, "WORKER_VOLUMES"],
    [{ RUNTIME: "docker", WORKER_POD_TEMPLATE: "/etc/pod.yaml" }, "WORKER_POD_TEMPLATE"],
  ])("says that %o is not used", (environment, name) => {
    const { around, lines } = worldOf(environment);
    const pod = { "/etc/pod.yaml": "spec: {nodeSelector: {a: b}}" };
    openWorkers(configOf(environment, pod), around);
    expect(lines.join()).toMatch(new RegExp(`set and not used.*"variables":\\["${name}"\\]`, "u"));
  });
  test("hashes labels, volumes and the pod template where they are set", () => {
    const hashes = [
      ...[DOCKER, { ...DOCKER, WORKER_LABELS: "a=b" }, { ...DOCKER, WORKER_VOLUMES: "v1:/b" }],
      ...[
        { RUNTIME: "kubernetes" },
        { RUNTIME: "kubernetes", WORKER_POD_TEMPLATE: "/etc/pod.yaml" },
      ],
    ].map((environment) => {
      const pod = { "/etc/pod.yaml": "spec: {nodeSelector: {a: b}}" };
      const opened = openWorkers(configOf(environment, pod), worldOf(environment).around);
      return opened.ok ? specHashOf(opened.value("fleet")) : opened.error;
    });
    expect(new Set(hashes).size).toBe(5);
  });
  test("reads the workers' own from their file", () => {
    const settings = settingsOf({ ...DOCKER, WORKER_ENV_FILE: ENV_FILE });
    expect(settings.secretEnvironment()).toMatchObject({
      SASL_USERNAME: "worker",
      SASL_PASSWORD: "own secret",
    });
    const missing = { ...DOCKER, WORKER_ENV_FILE: "/none" };
    expect(openWorkers(configOf(missing), worldOf(missing).around).ok).toBe(false);
  });
});
