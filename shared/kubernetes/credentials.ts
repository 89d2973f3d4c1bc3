/**
 * Who we are to which API server: from a kubeconfig file, or from the pod we run in. Files (tokens,
 * certificates) rotate, so credentials are read again for each request.
 */
import { existsSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { homedir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
const POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const DEFAULT_NAMESPACE = "default";

export type Access = {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Bun.TLSOptions & { readonly rejectUnauthorized: boolean };
};

export type Credentials = {
  /** `https://host:port`, without a slash at its end. */
  readonly server: string;
  /** Our own namespace: the pod's, or the kubeconfig context's, or `default`. */
  readonly namespace: string;
  /** Where they come from, for the log. */
  readonly source: string;
  /** The program of the kubeconfig's user (`exec`) that supplies them; undefined: there is none. */
  readonly plugin?: string | undefined;
  /** Rejects when a file cannot be read or a credential plugin fails. */
  readonly access: () => Promise<Access>;
};

export type CredentialOptions = {
  /** KUBECONFIG: one path, or several separated by colons; undefined: the pod's credentials, else ~/.kube/config. */
  readonly kubeconfig: string | undefined;
};

/** An error is one of configuration. */
export function openCredentials({ kubeconfig }: CredentialOptions): Result<Credentials, string> {
  const config = new KubeConfig();
  const home = join(homedir(), ".kube", "config");
  let source: string;
  try {
    if (kubeconfig !== undefined) {
      source = kubeconfig;
      loadFiles(config, kubeconfig.split(":"));
    } else if (existsSync(POD_TOKEN)) {
      source = "the pod's service account";
      config.loadFromCluster();
    } else if (existsSync(home)) {
      source = home;
      config.loadFromFile(home);
    } else {
      return err(
        `no credentials for Kubernetes: KUBECONFIG is not set, this is no pod with a service account token (${POD_TOKEN}), and there is no ${home}`,
      );
    }
  } catch (cause) {
    return err(`KUBECONFIG: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  const server = cluster?.server.replace(/\/+$/u, "");
  if (server === undefined || user === null) {
    return err(`KUBECONFIG: ${source} has no current context with a cluster and a user`);
  }
  if (cluster?.proxyUrl !== undefined) {
    return err(
      `KUBECONFIG: ${source} has a proxy-url for cluster ${cluster.name}, which is not supported; name a server that is reached without a proxy`,
    );
  }
  const context = config.getContextObject(config.getCurrentContext());
  return ok({
    server,
    namespace: context?.namespace || DEFAULT_NAMESPACE,
    source,
    plugin: pluginOf(user),
    access: () => readAccess(config),
  });
}

const Plugin = v.object({ exec: v.object({ command: v.string() }) });

function pluginOf(user: unknown): string | undefined {
  const read = v.safeParse(Plugin, user);
  return read.success ? read.output.exec.command : undefined;
}

/** Of several files, an earlier one wins. */
function loadFiles(config: KubeConfig, paths: readonly string[]): void {
  const [first = "", ...more] = paths.filter((path) => path !== "");
  config.loadFromFile(first);
  for (const path of more) {
    const other = new KubeConfig();
    other.loadFromFile(path);
    config.mergeConfig(other, true);
  }
}

async function readAccess(config: KubeConfig): Promise<Access> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const headers = Object.entries(options.headers ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value).trim()] as const],
  );
  const basic =
    options.auth == null ? [] : [["Authorization", `Basic ${btoa(options.auth)}`] as const];
  const { passphrase, servername } = options;
  return {
    headers: Object.fromEntries([...headers, ...basic]),
    tls: {
      ...pem("ca", options.ca),
      ...pem("cert", options.cert),
      ...pem("key", options.key),
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(servername === undefined ? {} : { serverName: servername }),
      // This overrides NODE_TLS_REJECT_UNAUTHORIZED; a kubeconfig may still disable verification for itself.
      rejectUnauthorized: options.rejectUnauthorized !== false,
    },
  };
}

/** The package reads whole files, so other forms that node:https accepts do not occur. */
function pem(name: "ca" | "cert" | "key", value: unknown): Bun.TLSOptions {
  if (typeof value !== "string" && !Buffer.isBuffer(value)) return {};
  return { [name]: value.toString() };
}
