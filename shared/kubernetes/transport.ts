/**
 * One HTTP request to the API server, by Bun's fetch: the package's own way (undici) does not take a
 * private CA under Bun, and sends no client certificate (docs/decision/0014-kubernetes-door.md).
 */
import type { Access, Credentials } from "./credentials.ts";

export type HttpRequest = {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request, and the reading of its body. */
  readonly signal: AbortSignal;
};

/** Rejects when there is no answer; any answer is a Response. */
export type Transport = {
  readonly server: string;
  readonly send: (request: HttpRequest) => Promise<Response>;
};

export function openTransport({ server, access }: Credentials, userAgent: string): Transport {
  let last: Access | undefined;
  /** One object as long as nothing changed: connections are kept by it. */
  const current = async (): Promise<Access> => {
    const next = await access();
    if (last === undefined || !sameTls(last, next)) last = next;
    return { headers: next.headers, tls: last.tls };
  };
  return {
    server,
    send: async ({ method, path, headers, body, signal }) => {
      const credentials = await current();
      return await fetch(`${server}${path}`, {
        method,
        headers: { ...headers, ...credentials.headers, "User-Agent": userAgent },
        tls: credentials.tls,
        redirect: "manual",
        signal,
        ...(body === undefined ? {} : { body }),
      });
    },
  };
}

const sameTls = (one: Access, other: Access): boolean =>
  text(one.tls) === text(other.tls) && one.tls.rejectUnauthorized === other.tls.rejectUnauthorized;

const text = ({ ca, cert, key, serverName }: Bun.TLSOptions): string =>
  [ca, cert, key, serverName].map(String).join("\n");
