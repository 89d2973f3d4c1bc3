/**
 * What can go wrong with PostgreSQL, as values. SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
 *
 * Invariant (test/shared/postgres/error.test.ts): the text of a refused value appears in no error. Messages of classes
 * 22 and 23 quote it ("invalid input syntax for type integer: …"), so those are named by their code alone.
 */
import { DeadlineExceeded } from "../deadline.ts";

export type PostgresErrorCode =
  | "unreachable"
  | "timeout"
  | "busy"
  | "conflict"
  | "authentication"
  | "authorization"
  | "missing"
  | "tls"
  | "data"
  | "full"
  | "read-only"
  | "refused"
  | "server";

export type PostgresError = {
  readonly code: PostgresErrorCode;
  /** Transient: the same may succeed later. Terminal: somebody must change something. */
  readonly retry: "transient" | "terminal";
  /** One sentence: what was tried, and what PostgreSQL or the network answered. */
  readonly detail: string;
  /** Five characters; absent when no server said it. */
  readonly sqlState?: string;
};

type Row = readonly [code: PostgresErrorCode, retry: PostgresError["retry"]];

/** By the whole SQLSTATE first, then by its class. */
const STATES: Readonly<Record<string, Row>> = {
  "25006": ["read-only", "transient"],
  "25P03": ["timeout", "transient"],
  "3D000": ["missing", "terminal"],
  "42501": ["authorization", "terminal"],
  "42P01": ["missing", "terminal"],
  "3F000": ["missing", "terminal"],
  "53100": ["full", "transient"],
  "53200": ["full", "transient"],
  "53300": ["busy", "transient"],
  "55P03": ["busy", "transient"],
  "57014": ["timeout", "transient"],
  "58030": ["full", "transient"],
};
const CLASSES: Readonly<Record<string, Row>> = {
  "08": ["unreachable", "transient"],
  "22": ["data", "terminal"],
  "23": ["data", "terminal"],
  "28": ["authentication", "terminal"],
  "40": ["conflict", "transient"],
  "42": ["refused", "terminal"],
  "0A": ["refused", "terminal"],
  "53": ["busy", "transient"],
  "55": ["busy", "transient"],
  "57": ["unreachable", "transient"],
};
const UNKNOWN: Row = ["server", "transient"];

const SQL_STATE = /^[0-9A-Z]{5}$/u;
/** What OpenSSL says of a certificate, and Bun of a server without TLS or a binding that is not there. */
const TLS_REFUSAL = /CERT|SSL|TLS|SIGNATURE|CHANNEL_BINDING|self.signed/iu;
const AUTHENTICATION = /AUTHENTICATION|SASL|PASSWORD/u;

/** Of what Bun's SQL, a file or a deadline threw; undefined for anything else, which is a defect of ours. */
export function postgresErrorOf(cause: unknown, whatWasTried: string): PostgresError | undefined {
  if (cause instanceof DeadlineExceeded) {
    const detail = `${whatWasTried}: PostgreSQL did not answer within ${cause.afterMs} ms`;
    return { code: "timeout", retry: "transient", detail };
  }
  const state = textOf(cause, "errno");
  const message = textOf(cause, "message");
  if (SQL_STATE.test(state)) return serverError(state, message, whatWasTried);
  const code = textOf(cause, "code");
  if (code === "") return undefined;
  const said = `${whatWasTried}: ${message} (${code})`;
  if (code.startsWith("ERR_POSTGRES_CONNECTION")) return transient("unreachable", said);
  if (TLS_REFUSAL.test(code) || TLS_REFUSAL.test(message)) {
    const detail = `${said}; see DB_SSL_MODE and DB_SSL_CA_FILE`;
    return { code: "tls", retry: "terminal", detail };
  }
  if (AUTHENTICATION.test(code)) return { code: "authentication", retry: "terminal", detail: said };
  return transient("unreachable", said);
}

const transient = (code: PostgresErrorCode, detail: string): PostgresError => ({
  ...{ code, retry: "transient", detail },
});

function serverError(sqlState: string, message: string, whatWasTried: string): PostgresError {
  const [code, retry] = STATES[sqlState] ?? CLASSES[sqlState.slice(0, 2)] ?? UNKNOWN;
  const said = code === "data" ? "refused a value" : `answered: ${message}`;
  return { code, retry, sqlState, detail: `${whatWasTried}: PostgreSQL ${said} (${sqlState})` };
}

function textOf(cause: unknown, field: "errno" | "message" | "code"): string {
  if (typeof cause !== "object" || cause === null) return "";
  const found: unknown = Reflect.get(cause, field);
  return typeof found === "string" ? found : "";
}
