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
import { specHashOf } from "../../../../sidecar/control-plane/worker/spec.ts";

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
    nowMs: () => 0,
    random: () => 0,
    log: openLog({ level: "info", format: "json", write, nowMs: () => 0 }),
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
  const inheriting = (environment: Variables) => {
    const { around, lines } = worldOf(environment);
    const config = configOf(environment, { "/run/cp-password": "cp secret", "/etc/cp-ca.pem": CA });
    const opened = openWorkers(config, around);
    if (!opened.ok) throw new Error(opened.error);
    return { ...opened.value("fleet"), lines };
  };
  test.each(["docker", "kubernetes"])(
    "gives workers of %s the password itself, and no path of ours",
    (runtime) => {
      const { environment, secretEnvironment, lines } = inheriting({ ...PATHS, RUNTIME: runtime });
      const shown = { SASL_USERNAME: "cp", TLS_SERVER_NAME: "kafka", TLS_ENABLED: "true" };
      expect(environment).toMatchObject(shown);
      expect(secretEnvironment()).toMatchObject({ SASL_PASSWORD: "cp secret" });
      expect(Object.keys({ ...environment, ...secretEnvironment() }).join(" ")).not.toContain(
        "_FILE",
      );
      expect(lines.join()).toMatch(/"level":"warn".*files are not passed on.*TLS_CA_FILE/u);
      expect(lines.join()).not.toContain("cp secret");
    },
  );
  test("says that a password is not given beside WORKER_SECRET", () => {
    const operators = { RUNTIME: "kubernetes", WORKER_SECRET: "operators" };
    expect(inheriting({ ...PATHS, ...operators }).lines.join()).toContain(
      "put SASL_PASSWORD into it",
    );
  });
  test("gives processes, which see our files, their paths, and warns of nothing", () => {
    const { environment, secretEnvironment, lines } = inheriting({ ...PATHS, RUNTIME: "process" });
    expect(environment).toMatchObject({ TLS_CA_FILE: "/etc/cp-ca.pem" });
    expect(secretEnvironment()).toMatchObject({ SASL_PASSWORD: "cp secret" });
    expect(lines).toEqual([]);
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
