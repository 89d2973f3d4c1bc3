/**
 * Which installation of the agent this is: read where the platform has an id that outlives the process,
 * else none. It distinguishes a cluster that was set up again from the one before it. A clone has the same
 * id; it shows when two agents beat in turn (docs/protocol.md).
 *
 * A chart's template never generates it, since each rendering would give another one; and it is never
 * invented where no state outlives the process.
 */

import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parseJsonText } from "../shared/json.ts";

const FILE = "installation-id";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

export type InstallationSource = {
  /** A ServiceAccount's token, projected into the pod. */
  readonly installationTokenFile: string | undefined;
  /** A directory that outlives the process. */
  readonly stateDir: string | undefined;
};

export type Installation = {
  readonly id: string | undefined;
  /** Why there is no id although a source is configured. */
  readonly problem: string | undefined;
};

/** `create`: a missing id is created. A command that withdraws never creates one. */
export function readInstallation(source: InstallationSource, create: boolean): Installation {
  const { installationTokenFile: tokenFile, stateDir } = source;
  try {
    if (tokenFile !== undefined) return fromToken(tokenFile);
    if (stateDir !== undefined) return fromDirectory(stateDir, create);
    return { id: undefined, problem: undefined };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const from = tokenFile === undefined ? "STATE_DIR" : "INSTALLATION_TOKEN_FILE";
    return { id: undefined, problem: `no installation id from ${from}: ${reason}` };
  }
}

function fromToken(path: string): Installation {
  const id = serviceAccountUid(readFileSync(path, "utf8"));
  if (id !== undefined) return { id, problem: undefined };
  const problem = `no installation id: ${path} is no token of a Kubernetes ServiceAccount`;
  return { id: undefined, problem };
}

const Claims = v.object({
  "kubernetes.io": v.object({
    serviceaccount: v.object({ uid: v.pipe(v.string(), v.regex(UUID)) }),
  }),
});

/** The uid in a token's claims (Kubernetes, "Bound service account tokens"); undefined: no such token. */
export function serviceAccountUid(token: string): string | undefined {
  const [, payload] = token.trim().split(".");
  if (payload === undefined) return undefined;
  const said = parseJsonText(Buffer.from(payload, "base64url").toString());
  const claims = v.safeParse(Claims, said);
  return claims.success ? claims.output["kubernetes.io"].serviceaccount.uid : undefined;
}

function fromDirectory(directory: string, create: boolean): Installation {
  const path = join(directory, FILE);
  const found = readId(path);
  if (found !== undefined || !create) return { id: found, problem: undefined };
  mkdirSync(directory, { recursive: true });
  const made = join(directory, `${FILE}.${process.pid}`);
  writeFileSync(made, `${randomUUID()}\n`, { flush: true });
  try {
    // The first writer wins; a file without a valid id is left over from a crash.
    linkSync(made, path);
    rmSync(made);
  } catch {
    if (readId(path) === undefined) renameSync(made, path);
    else rmSync(made);
  }
  return { id: readId(path), problem: undefined };
}

function readId(path: string): string | undefined {
  try {
    const id = readFileSync(path, "utf8").trim();
    return UUID.test(id) ? id : undefined;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw cause;
  }
}
