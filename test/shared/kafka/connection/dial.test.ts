/** Verification cannot be switched off, whatever the environment says; files of ours that are no good are named. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { dial } from "../../../../shared/kafka/connection/dial.ts";
import { kafkaErrorOf } from "../../../../shared/kafka/error.ts";
import type { TlsSettings } from "../../../../shared/kafka/settings.ts";
import { createAuthority } from "../../../bed/certificate.ts";

const VARIABLE = "NODE_TLS_REJECT_UNAUTHORIZED";
const before = Bun.env[VARIABLE];
const dir = mkdtempSync(join(tmpdir(), "outrider-dial-"));
let close = () => {};
let port = 0;
let caFile = "";
let certFile = "";
let keyFile = "";
let otherKeyFile = "";

beforeAll(async () => {
  const authority = await createAuthority(dir);
  caFile = authority.caFile;
  const other = await authority.issue({ name: "o", commonName: "other", usage: "client" });
  otherKeyFile = other.keyFile;
  const issued = await authority.issue({
    name: "server",
    commonName: "localhost",
    usage: "server",
    subjectAltNames: ["DNS:localhost"],
  });
  certFile = issued.certFile;
  keyFile = issued.keyFile;
  const files = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const server = createServer(files, (socket) => socket.on("error", () => {}));
  server.on("tlsClientError", () => {});
  const listening = Promise.withResolvers<void>();
  server.listen(0, () => listening.resolve());
  await listening.promise;
  const bound = server.address();
  port = typeof bound === "object" && bound !== null ? bound.port : 0;
  close = () => server.close();
});
afterAll(() => {
  if (before === undefined) delete Bun.env[VARIABLE];
  else Bun.env[VARIABLE] = before;
  close();
  rmSync(dir, { recursive: true });
});

function outcome(tls: TlsSettings): Promise<string> {
  const ended = Promise.withResolvers<string>();
  const target = { host: "localhost", port, onConnect: () => ended.resolve("connected") };
  const socket = dial({ clientId: "x", brokers: [], tls }, target);
  socket.on("error", () => ended.resolve("refused"));
  return ended.promise.finally(() => socket.destroy());
}

test.each(["0", "1"])(
  "with NODE_TLS_REJECT_UNAUTHORIZED=%s a stranger is refused",
  async (value) => {
    Bun.env[VARIABLE] = value;
    expect(await outcome({ caFile })).toBe("connected");
    expect(await outcome({})).toBe("refused");
    expect(await outcome({ caFile, serverName: "other.example" })).toBe("refused");
  },
);

const GARBAGE = "-----BEGIN CERTIFICATE-----\nZm9vYmFy\n-----END CERTIFICATE-----\n";

/** A file of ours with this content. */
function written(name: string, content: string): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

const half = (path: string): string => {
  const text = readFileSync(path, "utf8");
  return text.slice(0, text.indexOf("-----BEGIN") + 300);
};
const rows: readonly (readonly [string, () => TlsSettings, string])[] = [
  ["an empty CA", () => ({ caFile: written("c", "") }), "TLS file"],
  ["a CA of garbage", () => ({ caFile: written("c", GARBAGE) }), "TLS file"],
  ["a half-written CA", () => ({ caFile: written("c", half(caFile)) }), "TLS file"],
  ["half a certificate", () => ({ certFile: written("c", half(certFile)), keyFile }), "TLS file"],
  ["a certificate of garbage", () => ({ certFile: written("c", GARBAGE), keyFile }), "TLS file"],
  ["an empty key", () => ({ certFile, keyFile: written("c", "") }), "TLS file"],
  ["another's key", () => ({ certFile, keyFile: otherKeyFile }), "TLS files"],
];
test.each(rows)("dial() names %s, and nobody is asked", (_what, tls, start) => {
  const target = { host: "localhost", port, onConnect: () => {} };
  const fault = Promise.try(() => dial({ clientId: "x", brokers: [], tls: tls() }, target));
  const told = fault.then(
    () => "connected",
    (cause) => kafkaErrorOf(cause, "connect"),
  );
  return expect(told).resolves.toMatchObject({
    code: "invalid",
    retry: "transient",
    detail: expect.stringMatching(new RegExp(`^connect: ${start} /.* cannot be used`)),
  });
});
