/**
 * HTTP: hono's routes on Bun's server, with limits on the size of a request and on how long it may take.
 * Every answer that is not a route's own is JSON `{"error": "..."}`.
 *
 * Not limited here: a client that sends its header one byte at a time is ended only by the idle timeout.
 */

import { type Context, Hono } from "hono";
import { about, type BuildInfo } from "./build-info.ts";
import { sleep } from "./clock.ts";
import { DeadlineExceeded, withDeadline } from "./deadline.ts";
import type { Log } from "./log.ts";
import { err, ok, type Result } from "./result.ts";

export type HttpLimits = {
  /** Names and values of all header fields together. Bun's own limit, 16 KiB, answers first. */
  readonly headerBytesMax: number;
  readonly bodyBytesMax: number;
  /** From the request's header to the answer's header; a stream that follows may take longer. */
  readonly requestMs: number;
  /** Time without a byte in either direction; Bun takes whole seconds, at most 255. */
  readonly idleMs: number;
};

const HTTP_LIMITS: HttpLimits = {
  headerBytesMax: 16 * 1024,
  bodyBytesMax: 1024 * 1024,
  requestMs: 10_000,
  idleMs: 30_000,
};

/** What a route finds in `c.env`. */
export type HttpBindings = {
  /** Sets this request's own idle timeout, for streams that may be silent; 0 is none. */
  readonly idle: (ms: number) => void;
  /** Limits this request's answer to that time, instead of `requestMs`; call it before the first `await`. */
  readonly within: (ms: number) => void;
};
// biome-ignore lint/style/useNamingConvention: hono's name
export type App = Hono<{ Bindings: HttpBindings }>;

export type HttpServer = {
  readonly port: number;
  /** `http://host:port`, for display. */
  readonly url: string;
  /** Accepts no new requests, lets running ones finish for that long, then ends them. */
  close(graceMs: number): Promise<void>;
};

export type HttpError = {
  readonly code: "port-in-use" | "port-refused" | "listen-failed";
  readonly detail: string;
};

export type HttpOptions = {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: all addresses, IPv4 and IPv6. */
  readonly hostname?: string;
  /** Adds the routes; `/about` is there already. HEAD is answered wherever GET is. */
  readonly routes: (app: App) => void;
  /** What `/about` says besides the build. */
  readonly about?: () => Readonly<Record<string, unknown>>;
  readonly build: BuildInfo;
  readonly log: Log;
  readonly limits?: Partial<HttpLimits>;
};

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

export function serve(options: HttpOptions): Result<HttpServer, HttpError> {
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const app = openApp(options);
  try {
    const server = Bun.serve({
      port: options.port,
      ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
      idleTimeout: idleSeconds(limits.idleMs),
      maxRequestBodySize: limits.bodyBytesMax,
      fetch: (request, bun) => {
        const idle = (ms: number) => bun.timeout(request, idleSeconds(ms));
        const target = readable(request);
        if (target === undefined) return says(400, "the request's target cannot be read");
        return refusal(request, limits) ?? answer(app, target, idle, options.log, limits);
      },
      error: (cause) => failure(options.log, cause),
    });
    return ok({
      port: server.port ?? options.port,
      url: server.url.origin,
      close: async (graceMs) => {
        const cut = new AbortController();
        const finished = server.stop(false).finally(() => cut.abort());
        await sleep(graceMs, cut.signal);
        await Promise.all([finished, server.stop(true)]);
      },
    });
  } catch (cause) {
    return err(listenError(options, cause));
  }
}

/** The routes without a server; tests ask them by `app.request(...)`. */
export function openApp(options: Pick<HttpOptions, "routes" | "build" | "log" | "about">): App {
  const app: App = new Hono({ getPath: ({ url }) => tidyPath(new URL(url).pathname) });
  app.get("/about", (c) => c.json({ ...about(options.build), ...options.about?.() }));
  options.routes(app);
  app.notFound((c) => notFound(app, c));
  app.onError((cause) => failure(options.log, cause));
  return app;
}

/** As people write paths into probes: `/health//live/` is `/health/live`. */
const tidyPath = (path: string): string => path.replace(/\/{2,}/gu, "/").replace(/(.)\/$/u, "$1");

/** Bun takes 0 (none) to 255 seconds. */
const idleSeconds = (ms: number): number => Math.min(255, Math.ceil(ms / 1000));

/** Without a readable Host, such as in HTTP/1.0, Bun gives only the path as the URL. */
function readable(request: Request): Request | undefined {
  if (URL.canParse(request.url)) return request;
  const url = `http://localhost${request.url}`;
  return request.url.startsWith("/") && URL.canParse(url) ? new Request(url, request) : undefined;
}

function refusal(request: Request, limits: HttpLimits): Response | undefined {
  let headerBytes = 0;
  for (const [name, value] of request.headers) headerBytes += name.length + value.length;
  if (headerBytes > limits.headerBytesMax) {
    return says(431, `header fields of ${headerBytes} bytes, at most ${limits.headerBytesMax}`);
  }
  // Bun ends a body of unknown length at `maxRequestBodySize`, with a 413 without body.
  const bodyBytes = Number(request.headers.get("content-length") ?? 0);
  if (bodyBytes > limits.bodyBytesMax) {
    return says(413, `a body of ${bodyBytes} bytes, at most ${limits.bodyBytesMax}`);
  }
  return undefined;
}

async function answer(
  app: App,
  request: Request,
  idle: HttpBindings["idle"],
  log: Log,
  limits: HttpLimits,
): Promise<Response> {
  const path = new URL(request.url).pathname;
  let limitMs = limits.requestMs;
  const within = (ms: number) => {
    limitMs = ms;
  };
  try {
    // A handler runs up to its first `await` before this returns.
    const response = Promise.resolve(app.fetch(request, { idle, within } satisfies HttpBindings));
    return await withDeadline(response, limitMs, `${request.method} ${path}`);
  } catch (cause) {
    if (!(cause instanceof DeadlineExceeded)) return failure(log, cause);
    log.warn("an HTTP request took too long", { path, limit_ms: limitMs });
    return says(503, `no answer within ${limitMs} ms`);
  }
}

/** 405 with `Allow` if the path exists under another method, else 404. */
function notFound(app: App, c: Context): Response {
  const { path } = c.req;
  const known = METHODS.filter((method) => app.router.match(method, path)[0].length > 0);
  if (known.length === 0) return says(404, `no such path: ${path}`);
  const allow = known.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
  return says(405, `${c.req.method} is not allowed here`, { allow: allow.join(", ") });
}

/** The cause goes to our log only. */
function failure(log: Log, cause: unknown): Response {
  log.error("an HTTP handler failed", { error: cause });
  return says(500, "internal error");
}

const says = (status: number, error: string, headers: Record<string, string> = {}): Response =>
  Response.json({ error }, { status, headers });

function listenError(options: HttpOptions, cause: unknown): HttpError {
  const where = `${options.hostname ?? "*"}:${options.port}`;
  const text = cause instanceof Error ? `${codeOf(cause)} ${cause.message}` : String(cause);
  if (text.includes("EADDRINUSE")) {
    return { code: "port-in-use", detail: `cannot listen on ${where}: the port is in use` };
  }
  if (text.includes("EACCES")) {
    return { code: "port-refused", detail: `cannot listen on ${where}: permission denied` };
  }
  return { code: "listen-failed", detail: `cannot listen on ${where}: ${text.trim()}` };
}

const codeOf = (cause: Error): string => ("code" in cause ? String(cause.code) : "");
