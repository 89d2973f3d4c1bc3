/**
 * The engine's address, found as the docker command does: DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH
 * (https://docs.docker.com/reference/cli/docker/#environment-variables), else the default socket. A mistake
 * in it is an error of configuration; another engine is never tried instead.
 */
import { accessSync, constants, type Stats, statSync } from "node:fs";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";

export const DEFAULT_SOCKET = "/var/run/docker.sock";
const PORT = 2375;
const TLS_PORT = 2376;

export type EngineAddress =
  | { readonly kind: "unix"; readonly path: string; readonly shown: string }
  | {
      readonly kind: "tcp";
      readonly host: string;
      readonly port: number;
      readonly shown: string;
      readonly tls?: Tls;
    };

/** PEM texts: the authority that must have signed the engine's certificate, and our own certificate and key. */
export type Tls = { readonly ca: string; readonly cert: string; readonly key: string };

export type AddressOptions = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The error names the path and the reason. */
  readonly readFile: (path: string) => Result<string, string>;
};

export function engineAddress(options: AddressOptions): Result<EngineAddress, string> {
  const given = options.environment["DOCKER_HOST"] ?? "";
  const text = given === "" ? `unix://${DEFAULT_SOCKET}` : given;
  const path = /^unix:\/\/(?<path>\/.+)$/u.exec(text)?.groups?.["path"];
  if (path !== undefined) return ok({ kind: "unix", path, shown: text });
  const url = URL.parse(text);
  if (url === null || !["tcp:", "http:", "https:"].includes(url.protocol) || url.hostname === "") {
    return err(`DOCKER_HOST=${JSON.stringify(text)}: must be unix:///path or tcp://host:port`);
  }
  const tls = readTls(options, url.protocol === "https:");
  if (!tls.ok) return tls;
  const port = url.port === "" ? (tls.value === undefined ? PORT : TLS_PORT) : Number(url.port);
  return ok({
    kind: "tcp",
    // Without the brackets of an IPv6 address.
    host: url.hostname.replaceAll(/[[\]]/gu, ""),
    port,
    shown: `tcp://${url.hostname}:${port}`,
    ...(tls.value === undefined ? {} : { tls: tls.value }),
  });
}

/** Certificates are always verified: DOCKER_TLS alone, which does not verify, is refused. */
function readTls(
  { environment, readFile }: AddressOptions,
  isHttps: boolean,
): Result<Tls | undefined, string> {
  const isVerified = (environment["DOCKER_TLS_VERIFY"] ?? "") !== "";
  if (!isVerified && (environment["DOCKER_TLS"] ?? "") !== "") {
    return err("DOCKER_TLS: an engine's certificate is always verified; set DOCKER_TLS_VERIFY=1");
  }
  if (!isVerified && !isHttps) return ok(undefined);
  const given = environment["DOCKER_CERT_PATH"] ?? "";
  const directory = given === "" ? `${environment["HOME"] ?? ""}/.docker` : given;
  const files: string[] = [];
  for (const name of ["ca.pem", "cert.pem", "key.pem"]) {
    const text = readFile(`${directory}/${name}`);
    if (!text.ok) return err(`DOCKER_CERT_PATH: ${text.error}`);
    files.push(text.value);
  }
  const [ca = "", cert = "", key = ""] = files;
  return ok({ ca, cert, key });
}

/** Why this process cannot open the socket; undefined if it can, or if there is no socket (yet). */
export function socketRefusal(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "ENOENT") return undefined;
    const { uid, gid, mode } = ownerOf(path) ?? {};
    const held =
      mode === undefined ? "" : ` (owner ${uid}, group ${gid}, mode ${(mode & 0o777).toString(8)})`;
    return (
      `the engine's socket ${path}${held} cannot be opened by uid ${process.getuid?.()}: ${errno}; ` +
      `give this process the group ${gid ?? "of the socket"}: group_add in Compose, --group-add, ` +
      "supplementalGroups in a pod"
    );
  }
}

/** We may have no access to a parent directory either. */
function ownerOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
