import { describe, expect, test } from "bun:test";
import { err, ok } from "../../../../../shared/result.ts";
import { engineAddress } from "../../../../../sidecar/control-plane/runtime/docker/address.ts";

const readFile = (path: string) =>
  path.startsWith("/certs/") || path.startsWith("/home/me/.docker/")
    ? ok(`PEM of ${path}`)
    : err(`the file ${path} cannot be read: ENOENT`);
const addressOf = (environment: Readonly<Record<string, string>>) =>
  engineAddress({ environment, readFile });

const tls = (directory: string) => ({
  ca: `PEM of ${directory}/ca.pem`,
  cert: `PEM of ${directory}/cert.pem`,
  key: `PEM of ${directory}/key.pem`,
});

describe("engineAddress()", () => {
  test.each([
    [{}, { kind: "unix", path: "/var/run/docker.sock" }],
    [{ DOCKER_HOST: "" }, { kind: "unix", path: "/var/run/docker.sock" }],
    [{ DOCKER_HOST: "unix:///x/y.sock" }, { kind: "unix", path: "/x/y.sock" }],
    [{ DOCKER_HOST: "tcp://engine" }, { kind: "tcp", host: "engine", port: 2375 }],
    [{ DOCKER_HOST: "tcp://[::1]:99" }, { kind: "tcp", host: "::1", port: 99 }],
    [
      { DOCKER_HOST: "tcp://engine", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/certs" },
      { kind: "tcp", host: "engine", port: 2376, tls: tls("/certs") },
    ],
    [
      { DOCKER_HOST: "https://engine:5", HOME: "/home/me" },
      { kind: "tcp", host: "engine", port: 5, tls: tls("/home/me/.docker") },
    ],
  ] as const)("reads %o", (environment, expected) => {
    const read = addressOf(environment);
    expect(read).toMatchObject({ ok: true, value: expected });
    if (read.ok && !("tls" in expected)) expect(read.value).not.toHaveProperty("tls");
  });
  test.each([
    [{ DOCKER_HOST: "ssh://me@engine" }, "must be unix:///path or tcp://host:port"],
    [{ DOCKER_HOST: "unix://relative" }, "must be unix:///path or tcp://host:port"],
    [{ DOCKER_HOST: "engine:2375" }, "must be unix:///path or tcp://host:port"],
    [{ DOCKER_HOST: "tcp://engine", DOCKER_TLS: "1" }, "set DOCKER_TLS_VERIFY=1"],
    [
      { DOCKER_HOST: "tcp://engine", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/none" },
      "DOCKER_CERT_PATH: the file /none/ca.pem cannot be read",
    ],
  ] as const)("refuses %o", (environment, why) => {
    const read = addressOf(environment);
    expect(read.ok ? "" : read.error).toContain(why);
  });
});
