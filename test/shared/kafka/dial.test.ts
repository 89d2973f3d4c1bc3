/** Verification cannot be switched off, whatever the environment says. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { dial } from "../../../shared/kafka/dial.ts";
import type { TlsSettings } from "../../../shared/kafka/settings.ts";
import { createAuthority } from "../../bed/certificate.ts";

const VARIABLE = "NODE_TLS_REJECT_UNAUTHORIZED";
const before = Bun.env[VARIABLE];
const dir = mkdtempSync(join(tmpdir(), "outrider-dial-"));
let close = () => {};
let port = 0;
let caFile = "";

beforeAll(async () => {
  const authority = await createAuthority(dir);
  caFile = authority.caFile;
  const { certFile, keyFile } = await authority.issue({
    name: "server",
    commonName: "localhost",
    usage: "server",
    subjectAltNames: ["DNS:localhost"],
  });
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
