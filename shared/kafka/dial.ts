/** Sockets to brokers. TLS files are read for each new connection, so that a rotated certificate needs no restart. */

import { readFileSync } from "node:fs";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { SASLOptions } from "kafkajs";
import type { KafkaSettings, TlsSettings } from "./settings.ts";

const KEEP_ALIVE_DELAY_MS = 60_000;
/** As kafkajs spells them. */
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

/** @throws the file system's error, which names the file, when one cannot be read */
export function dial(settings: KafkaSettings, { host, port, onConnect }: Dialled): Socket {
  const socket =
    settings.tls === undefined
      ? connectTcp({ host, port, noDelay: true }, onConnect)
      : connectTls({ host, port, ...tlsOptions(settings.tls, host) }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
  return socket;
}

/** What kafkajs takes for SASL: the password is asked for when it is used. */
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
  return {
    // Said, because what is said wins over NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment.
    rejectUnauthorized: true,
    ...(servername === undefined ? {} : { servername }),
    ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.certFile === undefined ? {} : { cert: readFileSync(tls.certFile) }),
    ...(tls.keyFile === undefined ? {} : { key: readFileSync(tls.keyFile) }),
  };
}
