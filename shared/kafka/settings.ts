/** Where Kafka is and who we are to it. Files and the password are read again for each new connection. */

export type SaslMechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

export type SaslSettings = {
  readonly mechanism: SaslMechanism;
  readonly username: string;
  /** Called for each new connection, so that a rotated password needs no restart. */
  readonly password: () => string;
};

export type TlsSettings = {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The name that the certificate must carry, if it is not the host that we connect to. */
  readonly serverName?: string;
};

export type KafkaSettings = {
  readonly clientId: string;
  /** `host:port`, `[v6]:port` or `host`. */
  readonly brokers: readonly string[];
  readonly sasl?: SaslSettings;
  readonly tls?: TlsSettings;
  /**
   * False: the caller itself opens another connection before a session ends (KIP-368), so that wrong
   * credentials do not harm an open one.
   */
  readonly reauthenticates?: false;
};

export type BrokerAddress = { readonly host: string; readonly port: number };

const PORT_DEFAULT = 9092;
const PORT_MAX = 65_535;

/**
 * @returns undefined when the text is no address: an empty host, a port that is no number in 1 to 65535, an
 * IPv6 address with a port but no brackets.
 */
export function parseBrokerAddress(text: string): BrokerAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]\s/]+))(?::(\d{1,5}))?$/.exec(text.trim());
  if (match === null) return bareIpv6(text.trim());
  const host = match[1] ?? match[2] ?? "";
  const port = match[3] === undefined ? PORT_DEFAULT : Number(match[3]);
  return port >= 1 && port <= PORT_MAX ? { host, port } : undefined;
}

/** An address such as `fd00::1` can carry no port: the whole text is the host. */
function bareIpv6(text: string): BrokerAddress | undefined {
  const bare = /^[0-9a-fA-F:.]+$/.test(text) && text.split(":").length > 2;
  return bare ? { host: text, port: PORT_DEFAULT } : undefined;
}

/** Such as `fd00::1:9092`: whether the end is a port nobody can tell. */
export const isBareIpv6 = (text: string): boolean =>
  !text.includes("]") && text.split(":").length > 2;

/** `host:port`, with brackets around an IPv6 host. */
export function addressText(address: BrokerAddress): string {
  return address.host.includes(":")
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}
