/**
 * Spec hashes as version 0.1 made them. An upgrade with nothing new set must not change one: it would
 * replace every worker of the fleet.
 */

import { expect, test } from "bun:test";
import { openLog } from "../../../../shared/log.ts";
import { err, ok } from "../../../../shared/result.ts";
import { readControlPlaneConfig } from "../../../../sidecar/control-plane/config.ts";
import { openWorkers } from "../../../../sidecar/control-plane/worker/environment.ts";
import { specHashOf } from "../../../../sidecar/control-plane/worker/spec.ts";
import { clockOf } from "../../../clock.ts";

type Variables = Readonly<Record<string, string>>;

const FILES: Variables = {
  "/etc/worker.env": "SASL_USERNAME=worker\nSASL_PASSWORD=secret\n",
  "/etc/password": "secret",
  "/etc/ca.pem": "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n",
  "/etc/tls.pem": "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n",
  "/etc/key.pem": "-----BEGIN PRIVATE KEY-----\nMAo=\n-----END PRIVATE KEY-----\n",
};
const SASL = {
  ...{ SASL_ENABLED: "true", SASL_MECHANISM: "SCRAM-SHA-512", SASL_USERNAME: "cp" },
  ...{ SASL_PASSWORD_FILE: "/etc/password", WORKER_INHERIT_KAFKA_AUTH: "true" },
};
const TLS = {
  ...{ TLS_CA_FILE: "/etc/ca.pem", TLS_CERT_FILE: "/etc/tls.pem", TLS_KEY_FILE: "/etc/key.pem" },
  TLS_SERVER_NAME: "kafka",
};

function hashOf(environment: Variables): string {
  const readFile = (path: string) => {
    const text = FILES[path];
    return text === undefined ? err(`no ${path}`) : ok(text);
  };
  const host = { terminal: false, readFile, writable: () => true };
  const config = readControlPlaneConfig(environment, host);
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  const opened = openWorkers(config.value, {
    ...{ environment, hostname: "host", executable: "/bin/sidecar", readFile },
    ...{
      exists: () => false,
      clock: clockOf({ nowMs: () => 0, random: () => 0 }),
      signal: AbortSignal.abort(),
    },
    log: openLog({
      level: "error",
      format: "json",
      write: () => {},
      clock: clockOf({ nowMs: () => 0 }),
    }),
  });
  if (!opened.ok) throw new Error(opened.error);
  return specHashOf(opened.value("any fleet"));
}

const LIMITS = { GB_MEMORY_LIMIT: "1G", GB_CPU_LIMIT: "2", GRAPH_BUILDER_IMAGE: "other:1" };
const GOLDEN: readonly (readonly [string, Variables, string])[] = [
  ["process", {}, "cb5bcc918485e7a1"],
  ["process, a command", { WORKER_COMMAND: "/bin/worker --all" }, "f8f9e6bab8d87fe7"],
  ["process, inherited", { ...SASL, ...TLS }, "c2bc360e3bd8cc93"],
  ["docker", { RUNTIME: "docker" }, "0adce1708a7d3a0c"],
  ["docker, limits", { RUNTIME: "docker", ...LIMITS, DOCKER_NETWORK: "own" }, "931e865e0187225f"],
  ["docker, files", { RUNTIME: "docker", WORKER_SECRETS: "file" }, "3b9b0af1ac2f2ac3"],
  ["docker, a file", { RUNTIME: "docker", WORKER_ENV_FILE: "/etc/worker.env" }, "cfe1a743a3849aaa"],
  ["docker, inherited", { RUNTIME: "docker", ...SASL, ...TLS }, "e9a69d2d5c532686"],
  ["kubernetes", { K8S_MODE: "true" }, "3773653edb9a45fe"],
  [
    "kubernetes, limits",
    { K8S_MODE: "true", ...LIMITS, WORKER_SERVICE_ACCOUNT: "own" },
    "c5bb16c564cc63e0",
  ],
  [
    "kubernetes, a file",
    { K8S_MODE: "true", WORKER_ENV_FILE: "/etc/worker.env" },
    "837d8e2987e25825",
  ],
  ["kubernetes, a Secret", { K8S_MODE: "true", WORKER_SECRET: "own" }, "04ea39718da77cc5"],
  ["kubernetes, inherited", { K8S_MODE: "true", ...SASL, ...TLS }, "2462b541a0a162fd"],
];

test.each(GOLDEN)("the spec hash of %s is what it was in 0.1", (_name, environment, hash) => {
  expect(hashOf({ KAFKA_BROKERS: "kafka:9092", ...environment })).toBe(hash);
});
