/** The variables that say where PostgreSQL is: the original's DB_*, or DATABASE_URL. */
import * as v from "valibot";
import { type PostgresSettings, parseDatabaseUrl, SSL_MODES } from "../postgres/settings.ts";
import { integer, oneOf, path, text } from "./schema.ts";
import { type Config, optional, optionalSecret, withDefault } from "./table.ts";

const TEXT_CHARS_MAX = 4096;
const PORT_MAX = 65_535;

const databaseUrl = v.pipe(
  v.string(),
  v.description("postgres://user:password@host:5432/database?sslmode=verify-full"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const read = parseDatabaseUrl(dataset.value);
    if (!read.ok) addIssue({ message: read.error });
  }),
);

export const POSTGRES_TABLE = {
  databaseUrl: optionalSecret({
    name: "DATABASE_URL",
    schema: databaseUrl,
    without: "the DB_* variables",
    describe: "Where PostgreSQL is, as one URL; it wins over DB_*",
  }),
  databaseHost: withDefault({
    name: "DB_HOST",
    schema: text(TEXT_CHARS_MAX, "a name, an address, or the directory of a unix socket"),
    default: "localhost",
    describe: "PostgreSQL's host",
    seed: true,
  }),
  databasePort: withDefault({
    name: "DB_PORT",
    schema: integer({ min: 1, max: PORT_MAX }),
    default: "5432",
    describe: "PostgreSQL's port",
    seed: true,
  }),
  databaseUser: withDefault({
    name: "DB_USER",
    schema: text(TEXT_CHARS_MAX, "a name"),
    default: "postgres",
    describe: "PostgreSQL's user",
    seed: true,
  }),
  databasePassword: optionalSecret({
    name: "DB_PASSWORD",
    schema: text(TEXT_CHARS_MAX, "a password"),
    without: "none",
    describe: "That user's password; of a file, read again for each connection",
    seed: true,
  }),
  databaseName: withDefault({
    name: "DB_NAME",
    schema: text(TEXT_CHARS_MAX, "a name"),
    default: "cluster_info",
    describe: "The database; it must be there, the tables are made in its schema cluster_info",
    seed: true,
  }),
  databaseSslMode: withDefault({
    name: "DB_SSL_MODE",
    schema: oneOf(SSL_MODES),
    default: "prefer",
    describe:
      "Whether to use TLS, and what of the server's certificate to verify, as libpq means it",
    seed: true,
  }),
  databaseCaFile: optional({
    name: "DB_SSL_CA_FILE",
    schema: path("a PEM file"),
    without: "the system's authorities",
    describe: "Authorities that may sign the server's certificate",
  }),
  databaseCertFile: optional({
    name: "DB_SSL_CERT_FILE",
    schema: path("a PEM file"),
    without: "no client certificate",
    describe: "Our client certificate",
  }),
  databaseKeyFile: optional({
    name: "DB_SSL_KEY_FILE",
    schema: path("a PEM file"),
    without: "no client certificate",
    describe: "The client certificate's key",
  }),
} as const;

/** The password and the URL are asked for again at each connection, so that a rotated file needs no restart. */
export function postgresSettings(config: Config<typeof POSTGRES_TABLE>): PostgresSettings {
  const { databaseUrl: url } = config;
  const read = url === undefined ? undefined : parseDatabaseUrl(url.read());
  if (url !== undefined && read?.ok === true) {
    const { password: first, ...rest } = read.value;
    const password = () => {
      const now = parseDatabaseUrl(url.read());
      return now.ok ? now.value.password : first;
    };
    return { ...rest, password };
  }
  return {
    host: config.databaseHost,
    port: config.databasePort,
    user: config.databaseUser,
    password: () => config.databasePassword?.read() ?? "",
    database: config.databaseName,
    sslMode: config.databaseSslMode,
    caFile: config.databaseCaFile,
    certFile: config.databaseCertFile,
    keyFile: config.databaseKeyFile,
  };
}
