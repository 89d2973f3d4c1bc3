/** The variables that every program has: where Kafka is, who we are to it, and how we log. */
import * as v from "valibot";
import { isBareIpv6, type KafkaSettings, parseBrokerAddress } from "../kafka/settings.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../log.ts";
import { flag, oneOf, path, text } from "./schema.ts";
import {
  type Config,
  type CrossCheck,
  check,
  optional,
  optionalSecret,
  type Problem,
  withDefault,
} from "./table.ts";

const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;
const NAME_CHARS_MAX = 253;
const CREDENTIAL_CHARS_MAX = 4096;
const UNRESOLVED = "cpln://secret/";

const BARE_IPV6_ENTRY =
  "has an IPv6 address without brackets, whose port is ambiguous: write [::1]:9092";

export const brokerList = v.pipe(
  v.string(),
  v.description("host:port, an IPv6 host in brackets; several separated by commas"),
  v.transform((list) => list.split(",").map((entry) => entry.trim())),
  v.transform((list) => list.filter((entry) => entry !== "")),
  v.minLength(1, "names no broker"),
  v.everyItem(
    (entry) => parseBrokerAddress(entry) !== undefined,
    "has an entry that is no host:port",
  ),
  v.everyItem((entry) => !isBareIpv6(entry), BARE_IPV6_ENTRY),
);

/** Upper and lower case are alike; undefined: a mechanism that we do not have. It is checked only when SASL is on. */
const mechanismName = v.pipe(
  v.string(),
  v.description(`one of ${MECHANISMS.join(", ")}`),
  v.transform((name) => MECHANISMS.find((one) => one === name.toUpperCase())),
);

/** Level names of other programs' loggers. */
const LEVEL_ALIASES: ReadonlyMap<string, string> = new Map([
  ["trace", "debug"],
  ["warning", "warn"],
  ["fatal", "error"],
]);

/** The distance between two levels of Go's slog, which the original sidecar uses to read LOG_LEVEL. */
const LEVEL_STEP = 4;

/** `INFO+2` is the next level up, as in https://pkg.go.dev/log/slog#Level.UnmarshalText. */
function ownLevel(text: string): string {
  const { name = text, offset = "0" } =
    /^(?<name>\w+)(?<offset>[+-]\d{1,3})?$/u.exec(text)?.groups ?? {};
  const level = LEVEL_ALIASES.get(name) ?? name;
  const names: readonly string[] = LOG_LEVELS;
  const index = names.indexOf(level);
  if (index < 0) return text;
  const raised = Math.ceil(index + Number(offset) / LEVEL_STEP);
  return LOG_LEVELS[Math.min(Math.max(raised, 0), LOG_LEVELS.length - 1)] ?? level;
}

const UNRESOLVED_DETAIL =
  `still begins with ${UNRESOLVED}: Control Plane resolves such a reference when it starts the ` +
  "workload, and it has not; grant the workload's identity access to that secret, or, outside of " +
  "Control Plane, give the password itself";

const brokers = withDefault({
  name: "KAFKA_BROKERS",
  schema: brokerList,
  default: "kafka:9092",
  describe: "Kafka's bootstrap servers",
  seed: true,
});

/** SASL, TLS and the log: for every program, including the broker sidecar, which has no KAFKA_BROKERS. */
export const CONNECTION_TABLE = {
  saslEnabled: withDefault({
    name: "SASL_ENABLED",
    schema: flag(),
    default: "false",
    describe: "Authenticate to Kafka by SASL",
    seed: true,
  }),
  saslMechanism: withDefault({
    name: "SASL_MECHANISM",
    schema: mechanismName,
    default: "PLAIN",
    describe: "SASL mechanism",
    seed: true,
  }),
  saslUsername: optional({
    name: "SASL_USERNAME",
    schema: text(CREDENTIAL_CHARS_MAX, "a name"),
    without: "required when SASL_ENABLED",
    describe: "SASL user name",
    seed: true,
  }),
  saslPassword: optionalSecret({
    name: "SASL_PASSWORD",
    schema: text(CREDENTIAL_CHARS_MAX, "a password"),
    without: "required when SASL_ENABLED",
    describe: "SASL password",
    seed: true,
  }),
  tlsEnabled: withDefault({
    name: "TLS_ENABLED",
    schema: flag(),
    default: {
      shown: "false; true when a TLS_*_FILE is set",
      from: ({ text: get }) =>
        String([get("TLS_CA_FILE"), get("TLS_CERT_FILE")].some((file) => file !== undefined)),
    },
    describe: "Connect to Kafka by TLS; the broker's certificate is always verified",
  }),
  tlsCaFile: optional({
    name: "TLS_CA_FILE",
    schema: path("a PEM file"),
    without: "the system's authorities",
    describe: "Authorities that may sign the broker's certificate; read again for each connection",
  }),
  tlsCertFile: optional({
    name: "TLS_CERT_FILE",
    schema: path("a PEM file"),
    without: "no client certificate",
    describe: "Our client certificate, read again for each connection",
  }),
  tlsKeyFile: optional({
    name: "TLS_KEY_FILE",
    schema: path("a PEM file"),
    without: "required with TLS_CERT_FILE",
    describe: "The client certificate's key, read again for each connection",
  }),
  tlsServerName: optional({
    name: "TLS_SERVER_NAME",
    schema: text(NAME_CHARS_MAX, "a host name"),
    without: "the host dialled",
    describe: "The name that the broker's certificate must carry",
  }),
  logLevel: withDefault({
    name: "LOG_LEVEL",
    schema: v.pipe(
      v.string(),
      v.description(`one of ${LOG_LEVELS.join(", ")}`),
      v.toLowerCase(),
      v.transform(ownLevel),
      v.picklist(LOG_LEVELS, `is none of ${LOG_LEVELS.join(", ")}`),
    ),
    default: "info",
    describe: "Least important line that is written",
    seed: true,
  }),
  logFormat: withDefault({
    name: "LOG_FORMAT",
    schema: oneOf(LOG_FORMATS),
    default: {
      shown: "json; text on a terminal",
      from: ({ host }) => (host.terminal ? "text" : "json"),
    },
    describe: "Form of the log's lines",
  }),
} as const;

export const KAFKA_TABLE = { kafkaBrokers: brokers, ...CONNECTION_TABLE } as const;
export type KafkaConfig = Config<typeof KAFKA_TABLE>;
type ConnectionConfig = Config<typeof CONNECTION_TABLE>;

const { saslEnabled, saslMechanism, saslUsername, saslPassword } = CONNECTION_TABLE;
const { tlsEnabled, tlsCertFile, tlsKeyFile } = CONNECTION_TABLE;

const CERTIFICATE =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/u;
const PRIVATE_KEY =
  /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----[\s\S]+?-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----/u;

/** What is wrong; undefined where there is at least one such block. */
export function pemProblem(text: string, what: "certificate" | "private key"): string | undefined {
  const block = what === "certificate" ? CERTIFICATE : PRIVATE_KEY;
  return block.test(text) ? undefined : `the file has no ${what} in PEM`;
}

/**
 * A file that is wrong at the start is wrong configuration. One that becomes wrong later may be in the
 * middle of a rotation, and is read again at the next connection.
 */
const pemFile =
  (name: string, what: "certificate" | "private key"): CrossCheck =>
  (lookup) => {
    const file = lookup.text(name);
    const enabled = v.safeParse(tlsEnabled, lookup);
    if (file === undefined || (enabled.success && !enabled.output)) return undefined;
    const read = lookup.host.readFile(file);
    if (!read.ok) return { name, value: file, message: read.error };
    const message = pemProblem(read.value, what);
    return message === undefined ? undefined : { name, value: file, message };
  };

const missing = (name: string): Problem => ({ name, message: "is required when SASL_ENABLED" });

/** The message quotes the text that was given, which the parsed value no longer contains. */
const supportedMechanism: CrossCheck = (lookup) =>
  check({ saslEnabled, saslMechanism }, (c) => {
    if (!c.saslEnabled || c.saslMechanism !== undefined) return undefined;
    const value = lookup.text("SASL_MECHANISM") ?? "";
    const supported = MECHANISMS.join(", ");
    const message = `unsupported SASL mechanism: ${value} (supported: ${supported})`;
    return { name: "SASL_MECHANISM", value, message };
  })(lookup);

export const CONNECTION_CHECKS: readonly CrossCheck[] = [
  supportedMechanism,
  check({ saslEnabled, saslUsername }, (c) =>
    c.saslEnabled && c.saslUsername === undefined ? missing("SASL_USERNAME") : undefined,
  ),
  check({ saslEnabled, saslPassword }, (c) =>
    c.saslEnabled && c.saslPassword === undefined ? missing("SASL_PASSWORD") : undefined,
  ),
  check({ saslEnabled, saslPassword }, (c) =>
    c.saslEnabled && c.saslPassword?.read().startsWith(UNRESOLVED) === true
      ? { name: "SASL_PASSWORD", message: UNRESOLVED_DETAIL }
      : undefined,
  ),
  check({ tlsCertFile, tlsKeyFile }, (c) => {
    if ((c.tlsCertFile === undefined) === (c.tlsKeyFile === undefined)) return undefined;
    const [name, other] =
      c.tlsKeyFile === undefined
        ? ["TLS_KEY_FILE", "TLS_CERT_FILE"]
        : ["TLS_CERT_FILE", "TLS_KEY_FILE"];
    return { name, message: `is required when ${other} is set` };
  }),
  pemFile("TLS_CA_FILE", "certificate"),
  pemFile("TLS_CERT_FILE", "certificate"),
  pemFile("TLS_KEY_FILE", "private key"),
];

/** The settings for shared/kafka. The password is read again for each connection. */
export const kafkaSettings = (config: KafkaConfig, clientId: string): KafkaSettings =>
  connectionSettings(config, clientId, config.kafkaBrokers);

/** For a program that finds its brokers in another way. */
export function connectionSettings(
  config: ConnectionConfig,
  clientId: string,
  kafkaBrokers: readonly string[],
): KafkaSettings {
  const { saslMechanism: mechanism, saslUsername: username, saslPassword: secret } = config;
  const hasSasl = config.saslEnabled && mechanism !== undefined;
  return {
    clientId,
    brokers: kafkaBrokers,
    ...(hasSasl && username !== undefined && secret !== undefined
      ? { sasl: { mechanism, username, password: secret.read } }
      : {}),
    ...(config.tlsEnabled ? { tls: tlsSettings(config) } : {}),
  };
}

const tlsSettings = (config: ConnectionConfig) => ({
  ...(config.tlsCaFile === undefined ? {} : { caFile: config.tlsCaFile }),
  ...(config.tlsCertFile === undefined ? {} : { certFile: config.tlsCertFile }),
  ...(config.tlsKeyFile === undefined ? {} : { keyFile: config.tlsKeyFile }),
  ...(config.tlsServerName === undefined ? {} : { serverName: config.tlsServerName }),
});
