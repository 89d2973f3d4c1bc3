/**
 * WORKER_LABELS and WORKER_VOLUMES: what an operator adds to every worker's container. Labels that identify
 * a worker, and mounts that would give it control over the engine or the kernel, are refused. Pure.
 */
import { posix } from "node:path";
import { splitWords } from "../../../../shared/config/shell-words.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";

export type Labels = Readonly<Record<string, string>>;

export type Mount = {
  readonly kind: "volume" | "bind";
  /** A volume's name, or a directory or file of the engine's host. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
};

/** The last three are reserved by the engine: https://docs.docker.com/engine/manage-resources/labels/ */
const RESERVED = ["outrider.", "com.docker.", "io.docker.", "org.dockerproject."] as const;
/** https://github.com/moby/moby: `RestrictedNameChars` */
const VOLUME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/u;
/**
 * The kernel's directories, and those with the sockets and data of engines: access to one gives control
 * over the host.
 */
const NEVER = [
  ...["/proc", "/sys", "/dev", "/run", "/var/run"],
  ...["/var/lib/docker", "/var/lib/containerd", "/var/lib/containers"],
] as const;
/** Paths in the worker's container that belong to us or to the kernel. */
const TAKEN = ["/proc", "/sys", "/dev", "/tmp", "/run/secrets"] as const;

/** `name=value` words, quoted as in a shell. */
export function parseLabels(text: string): Result<Labels, string> {
  const words = splitWords(text);
  if (!words.ok) return words;
  const labels = words.value.map((word): readonly [string, string] => {
    const at = word.indexOf("=");
    return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
  });
  for (const [name] of labels) {
    if (name === "") return err("a label has no name: write name=value");
    const prefix = RESERVED.find((each) => name.startsWith(each));
    if (prefix !== undefined) return err(`${name}: labels that begin with ${prefix} are reserved`);
  }
  return ok(Object.fromEntries(labels));
}

/** `source:target`, `source:target:ro` or `source:target:rw` words; read-only unless it says `rw`. */
export function parseVolumes(text: string): Result<readonly Mount[], string> {
  const words = splitWords(text);
  if (!words.ok) return words;
  const mounts: Mount[] = [];
  for (const word of words.value) {
    const mount = parseMount(word);
    if (!mount.ok) return err(`${word}: ${mount.error}`);
    if (mounts.some(({ target }) => target === mount.value.target)) {
      return err(`${word}: there is another mount at ${mount.value.target}`);
    }
    mounts.push(mount.value);
  }
  return ok(mounts);
}

function parseMount(word: string): Result<Mount, string> {
  const [source = "", given = "", mode = "ro", ...more] = word.split(":");
  if (more.length > 0 || (mode !== "ro" && mode !== "rw")) {
    return err("is not source:target, source:target:ro or source:target:rw");
  }
  const target = canonical(given);
  if (target === undefined || target === "/") return err("the target must be an absolute path");
  const taken = TAKEN.find((each) => isWithin(target, each) || isWithin(each, target));
  if (taken !== undefined) return err(`the target meets ${taken}, which is not the operator's`);
  const readOnly = mode === "ro";
  if (VOLUME.test(source)) return ok({ kind: "volume", source, target, readOnly });
  const path = canonical(source);
  if (path === undefined) {
    return err("the source must be a volume's name, or an absolute path of the engine's host");
  }
  const host = NEVER.find((each) => isWithin(path, each) || isWithin(each, path));
  if (host !== undefined || path === "/etc") {
    return err(
      `${path} of the host is not given to workers: it has ${host ?? "its secrets"} in it`,
    );
  }
  return ok({ kind: "bind", source: path, target, readOnly });
}

/** Normalised: without `.`, `..` and double slashes; undefined if it is not absolute. */
function canonical(path: string): string | undefined {
  if (!path.startsWith("/") || path.includes("\0")) return undefined;
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

const isWithin = (path: string, directory: string): boolean =>
  path === directory || directory === "/" || path.startsWith(`${directory}/`);
