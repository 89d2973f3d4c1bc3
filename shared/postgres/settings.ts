/** Where PostgreSQL is, and who we are to it. Files and the password are read again for each new connection. */
import { err, ok, type Result } from "../result.ts";

/** As libpq means them: https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION */
export const SSL_MODES = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] as const;
export type SslMode = (typeof SSL_MODES)[number];

export type PostgresSettings = {
  /** A name or an address; with a leading `/` the directory of a unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: () => string;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
};

export type DatabaseUrl = Omit<PostgresSettings, "password"> & { readonly password: string };

const PORT_DEFAULT = 5432;
const PORT_MAX = 65_535;

/** `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`; no error quotes the text. */
export function parseDatabaseUrl(text: string): Result<DatabaseUrl, string> {
  if (!URL.canParse(text)) return err("is no URL: postgres://user:password@host:5432/database");
  const url = new URL(text);
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    return err(`begins with ${url.protocol}//, not with postgres://`);
  }
  const decoded = decodedParts(url);
  if (decoded === undefined) return err("has a % that begins no %XX escape");
  const { user, password, database, host } = decoded;
  const port =
    url.port === "" ? Number(url.searchParams.get("port") ?? PORT_DEFAULT) : Number(url.port);
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) return err("has a port that is none");
  const asked = url.searchParams.get("sslmode") ?? "prefer";
  const sslMode = SSL_MODES.find((mode) => mode === asked);
  if (sslMode === undefined) return err(`has an sslmode that is none of ${SSL_MODES.join(", ")}`);
  const file = (name: string) => url.searchParams.get(name) ?? undefined;
  return ok({
    ...{ host, port, user, password, database, sslMode },
    ...{ caFile: file("sslrootcert"), certFile: file("sslcert"), keyFile: file("sslkey") },
  });
}

function decodedParts(url: URL) {
  try {
    const user = decodeURIComponent(url.username) || "postgres";
    const host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/u, "$1");
    return {
      user,
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)) || user,
      host: url.searchParams.get("host") ?? (host || "localhost"),
    };
  } catch {
    return undefined;
  }
}
