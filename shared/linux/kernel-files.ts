/**
 * Files that the kernel generates while they are read (/proc, /sys/fs/cgroup): short and never on a disk,
 * so they are read synchronously. Reading is bounded, because nothing guarantees their size.
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync, statSync } from "node:fs";
import { err, ok, type Result } from "../result.ts";
import { errnoOf } from "./errno.ts";

/** The most that is read of a file: /proc/<pid>/net/tcp lists listeners first, so the rest is not needed. */
const TEXT_BYTES_MAX = 256 * 1024;

/** `absent`: no such file, or its process has ended. `denied`: it exists, but we may not read it. */
export type FileFault = "absent" | "denied" | "failed";

export type Files = {
  /** The text from its start, at most TEXT_BYTES_MAX bytes. */
  readonly read: (path: string) => Result<string, FileFault>;
  /** Names in a directory; empty when it cannot be read. */
  readonly list: (path: string) => readonly string[];
  /** Where a symbolic link points; undefined when that cannot be read. */
  readonly link: (path: string) => string | undefined;
  /** Identifies a file or directory, and differs from a later one at the same path: device and inode. */
  readonly identity: (path: string) => string | undefined;
};

export function openFiles(): Files {
  const buffer = Buffer.alloc(TEXT_BYTES_MAX);
  return {
    read: (path) => attempt(() => readInto(buffer, path)),
    list: (path) =>
      valueOr(
        attempt(() => readdirSync(path)),
        [],
      ),
    link: (path) =>
      valueOr<string | undefined>(
        attempt(() => readlinkSync(path)),
        undefined,
      ),
    identity: (path) =>
      valueOr<string | undefined>(
        attempt(() => identityOf(path)),
        undefined,
      ),
  };
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

/** The kernel returns such a file in pieces of about a page. */
function readInto(buffer: Buffer, path: string): string {
  const file = openSync(path, "r");
  try {
    let length = 0;
    while (length < buffer.length) {
      const got = readSync(file, buffer, length, buffer.length - length, null);
      if (got === 0) break;
      length += got;
    }
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(file);
  }
}

function attempt<T>(read: () => T): Result<T, FileFault> {
  try {
    return ok(read());
  } catch (cause) {
    return err(faultOf(errnoOf(cause)));
  }
}

function faultOf(errno: string): FileFault {
  if (["ENOENT", "ESRCH", "ENOTDIR", "ENODEV"].includes(errno)) return "absent";
  return ["EACCES", "EPERM"].includes(errno) ? "denied" : "failed";
}

const valueOr = <T>(result: Result<T, FileFault>, other: T): T =>
  result.ok ? result.value : other;
