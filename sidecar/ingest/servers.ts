/** The HTTP servers of ingest: all of them answer everything; who must show a token depends on the address. */
import { isIP } from "node:net";
import { type HttpOptions, type HttpServer, serve } from "../../shared/http.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { openToAll, type ReadAccess, tokenAccess } from "./api/access.ts";
import { type ApiDeps, apiRoutes } from "./api/routes.ts";
import { ingestRoutes, type RouteDeps } from "./routes.ts";

export type Listen = { readonly host: string | undefined; readonly port: number };

export type ListenOptions = {
  readonly addresses: readonly Listen[];
  /** Whoever reaches a port may read everything. */
  readonly isOpen: boolean;
  /** The tokens' file of now; undefined: there is none. */
  readonly readTokens: () => Result<string, string> | undefined;
};

type ServerDeps = RouteDeps &
  Omit<ApiDeps, "access" | "version"> &
  Pick<HttpOptions, "build" | "log">;

/** @returns why one of them cannot listen */
export function openServers(
  { addresses, isOpen, readTokens }: ListenOptions,
  deps: ServerDeps,
): Result<readonly HttpServer[], string> {
  const servers: HttpServer[] = [];
  for (const { host, port } of addresses) {
    const access = isOpen || isLoopback(host) ? openToAll : tokenAccess(readTokens);
    const server = openServer({ host, port }, access, deps);
    if (!server.ok) return err(server.error.detail);
    servers.push(server.value);
    deps.log.info("listening", { url: server.value.url });
  }
  return ok(servers);
}

function openServer({ host, port }: Listen, access: ReadAccess, deps: ServerDeps) {
  const { build, log } = deps;
  const own = ingestRoutes(deps);
  const api = apiRoutes({ ...deps, access, version: build.version });
  const hostname = host === undefined ? {} : { hostname: host };
  return serve({
    ...{ port, ...hostname, build, log },
    routes: (app) => {
      own(app);
      api(app);
    },
  });
}

/** A name may come to mean another address: numbers and localhost alone. */
const isLoopback = (host = ""): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
