/**
 * One HTTP request to the API server, with Bun's fetch: under Bun, the package's own way (undici) does not
 * accept a private CA and sends no client certificate (docs/decision/0014-kubernetes-door.md).
 */
import type { Access, Credentials } from "./credentials.ts";

/** A plugin that has hung for longer is run again. */
const PLUGIN_MS_MAX = 60_000;

export type HttpRequest = {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Aborts the request and the reading of its body. */
  readonly signal: AbortSignal;
};

/** Rejects when there is no answer; any answer is a Response. */
export type Transport = {
  readonly server: string;
  readonly send: (request: HttpRequest) => Promise<Response>;
};

export function openTransport(credentials: Credentials, userAgent: string): Transport {
  const { server } = credentials;
  const access = sharedAccess(credentials);
  let last: Access | undefined;
  /** The same object as long as nothing changed: connections are reused by identity of this object. */
  const current = async (signal: AbortSignal): Promise<Access> => {
    const next = await unlessAborted(access(), signal, credentials);
    if (last === undefined || !sameTls(last, next)) last = next;
    return { headers: next.headers, tls: last.tls };
  };
  return {
    server,
    send: async ({ method, path, headers, body, signal }) => {
      const { headers: ofUser, tls } = await current(signal);
      return await fetch(`${server}${path}`, {
        method,
        headers: { ...headers, ...ofUser, "User-Agent": userAgent },
        tls,
        redirect: "manual",
        signal,
        ...(body === undefined ? {} : { body }),
      });
    },
  };
}

/** Concurrent requests wait for one run of the plugin, so that a hanging plugin is not run again for each of them. */
function sharedAccess({ access }: Credentials): () => Promise<Access> {
  let pending: { readonly promise: Promise<Access>; readonly sinceMs: number } | undefined;
  return () => {
    const nowMs = performance.now();
    if (pending !== undefined && nowMs - pending.sinceMs < PLUGIN_MS_MAX) return pending.promise;
    const own = { promise: access(), sinceMs: nowMs };
    pending = own;
    const done = () => {
      if (pending === own) pending = undefined;
    };
    own.promise.then(done, done);
    return own.promise;
  };
}

async function unlessAborted(
  access: Promise<Access>,
  signal: AbortSignal,
  { source, plugin }: Credentials,
): Promise<Access> {
  const late = Promise.withResolvers<never>();
  const who = plugin === undefined ? source : `the credential plugin ${plugin} of ${source}`;
  const abort = () => late.reject(new Error(`${who} gave no credentials in time`));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([access, late.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

const sameTls = (one: Access, other: Access): boolean =>
  text(one.tls) === text(other.tls) && one.tls.rejectUnauthorized === other.tls.rejectUnauthorized;

const text = ({ ca, cert, key, serverName }: Bun.TLSOptions): string =>
  [ca, cert, key, serverName].map(String).join("\n");
