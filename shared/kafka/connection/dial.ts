/** Sockets to brokers. TLS files are read for each new connection, so that a rotated certificate needs no restart. */

import { readFileSync } from "node:fs";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, createSecureContext } from "node:tls";
import type { SASLOptions } from "kafkajs";
import type { KafkaSettings, TlsSettings } from "../settings.ts";

const KEEP_ALIVE_DELAY_MS = 60_000;
/** The names that kafkajs uses. */
const MECHANISMS = {
  PLAIN: "plain",
  "SCRAM-SHA-256": "scram-sha-256",
  "SCRAM-SHA-512": "scram-sha-512",
} as const;

type Dialled = {
  readonly host: string;
  readonly port: number;
  readonly onConnect: () => void;
};

/**
 * @throws before it connects, naming the file: the file system's error, or `TLS file … cannot be used`
 * (half written, empty, no PEM)
 */
export function dial(settings: KafkaSettings, { host, port, onConnect }: Dialled): Socket {
  const socket =
    settings.tls === undefined
      ? connectTcp({ host, port, noDelay: true }, onConnect)
      : connectTls({ host, port, ...tlsOptions(settings.tls, host) }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
  return socket;
}

/** SASL options for kafkajs; the password is read when it is used. */
export function saslOptions(settings: KafkaSettings): SASLOptions | null {
  const { sasl } = settings;
  if (sasl === undefined) return null;
  return {
    mechanism: MECHANISMS[sasl.mechanism],
    username: sasl.username,
    get password() {
      return sasl.password();
    },
  };
}

function tlsOptions(tls: TlsSettings, host: string) {
  const servername = tls.serverName ?? (isIP(host) === 0 ? host : undefined);
  const files = [
    ...(tls.caFile === undefined ? [] : [tlsFile("ca", tls.caFile)]),
    ...(tls.certFile === undefined ? [] : [tlsFile("cert", tls.certFile)]),
    ...(tls.keyFile === undefined ? [] : [tlsFile("key", tls.keyFile)]),
  ];
  proveUsable(files);
  return {
    // Set explicitly, because that overrides NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment.
    rejectUnauthorized: true,
    ...(servername === undefined ? {} : { servername }),
    ...contentsOf(files),
  };
}

type TlsFile = {
  readonly path: string;
  readonly content: Readonly<Partial<Record<"ca" | "cert" | "key", Buffer>>>;
};

const tlsFile = (option: "ca" | "cert" | "key", path: string): TlsFile => ({
  path,
  content: { [option]: readFileSync(path) },
});

const contentsOf = (files: readonly TlsFile[]): TlsFile["content"] =>
  Object.assign({}, ...files.map(({ content }) => content));

/** The TLS library names no file, and its text looks like a broker's refusal. */
function proveUsable(files: readonly TlsFile[]): void {
  const fault = faultOf(files);
  if (fault === undefined) return;
  for (const file of files) {
    const own = faultOf([file]);
    if (own !== undefined) throw new Error(`TLS file ${file.path} cannot be used: ${own}`);
  }
  const paths = files.map(({ path }) => path).join(", ");
  throw new Error(`TLS files ${paths} cannot be used together: ${fault}`);
}

function faultOf(files: readonly TlsFile[]): string | undefined {
  try {
    createSecureContext(contentsOf(files));
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
