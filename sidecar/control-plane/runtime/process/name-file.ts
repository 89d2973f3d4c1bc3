/**
 * The name file of a worker, `<state dir>/workers/<name>.json`: it makes the name unique and says which
 * process has it. It is a journal of at most three lines, so that no partly written line counts:
 *
 *     {"kind":"outrider-worker","name":…,"token":…,…}   before the spawn, whole from the first moment
 *     {"pid":…,"startTicks":…,"bootId":…}               after it
 *     {"exit":…}                                        when our own child ended
 *
 * The first line is written elsewhere and linked to the name, which fails when the name exists; later lines
 * are appended to that inode, so a writer that lost the name changes nothing. Each later line begins with a
 * newline, so that a torn line before it is skipped.
 */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parseJsonText } from "../../../../shared/json.ts";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { ClientId } from "../../../../shared/protocol/client-id.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError, Worker } from "../runtime.ts";
import { unavailable } from "./error.ts";

/** Ours are under 1 KiB; a longer file is not ours. */
const FILE_BYTES_MAX = 16 * 1024;
const SUFFIX = ".json";
/** Opening must neither follow a link out of the directory nor wait for a pipe's other end. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** The errors that mean "not one of our files"; any other errno means "cannot be read now". */
const NOT_OURS: readonly string[] = ["EACCES", "EPERM", "ELOOP", "ENXIO", "EISDIR", "ENODEV"];

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const Header = v.object({
  kind: v.literal("outrider-worker"),
  name: v.string(),
  clientId: ClientId,
  fleet: v.string(),
  specHash: v.string(),
  token: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/u)),
  startedAtMs: count,
});
export type Header = v.InferOutput<typeof Header>;

const Process = v.object({
  pid: v.pipe(count, v.minValue(2)),
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. 0 when it had ended before we looked. */
  startTicks: count,
  bootId: v.string(),
});
export type ProcessId = v.InferOutput<typeof Process>;

const signalled = v.custom<`signal:${string}`>(
  (value) => typeof value === "string" && value.startsWith("signal:"),
);
const Exited = v.object({ exit: v.union([count, signalled]) });

export type Exit = NonNullable<Worker["exit"]>;

export type WorkerFile = {
  readonly header: Header;
  readonly process?: ProcessId;
  readonly exit?: Exit;
};

export type Seen =
  | { readonly kind: "absent" }
  /** Empty, or only NUL: a full disk or a power cut can leave one of our files so. */
  | { readonly kind: "debris" }
  | { readonly kind: "foreign"; readonly detail: string }
  | { readonly kind: "worker"; readonly file: WorkerFile };

export const workerPath = (directory: string, name: string): string =>
  join(directory, `${name}${SUFFIX}`);

/** All names that are taken, in the directory's order. */
export function heldNames(directory: string): Result<readonly string[], RuntimeError> {
  try {
    const files = readdirSync(directory).filter((file) => file.endsWith(SUFFIX));
    return ok(files.map((file) => file.slice(0, -SUFFIX.length)));
  } catch (cause) {
    return err(unavailable("reading the directory", directory, cause));
  }
}

/** Without the directory it is not known what runs: that is an error, not an absent file. */
export function readWorkerFile(directory: string, name: string): Result<Seen, RuntimeError> {
  const path = workerPath(directory, name);
  try {
    const text = readBounded(path);
    return ok(
      text === undefined
        ? {
            kind: "foreign",
            detail: `${path} is no regular file of at most ${FILE_BYTES_MAX} bytes`,
          }
        : parseWorkerFile(text, name, path),
    );
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "ENOENT" && existsSync(directory)) return ok({ kind: "absent" });
    if (NOT_OURS.includes(errno)) {
      return ok({ kind: "foreign", detail: `${path} cannot be read: ${errno}` });
    }
    return err(unavailable("reading", path, cause));
  }
}

const buffer = Buffer.allocUnsafe(FILE_BYTES_MAX + 1);

/** @throws what `open` and `read` throw */
function readBounded(path: string): string | undefined {
  const fd = openSync(path, READ_FLAGS);
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const length = readSync(fd, buffer, 0, buffer.length, 0);
    return length > FILE_BYTES_MAX ? undefined : buffer.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

const DEBRIS = /^\0*$/u;

function parseWorkerFile(text: string, name: string, path: string): Seen {
  if (DEBRIS.test(text)) return { kind: "debris" };
  const lines = text.split("\n").map(parseJsonText);
  const header = v.safeParse(Header, lines[0]);
  if (!header.success) return { kind: "foreign", detail: `${path} was not written by Outrider` };
  if (header.output.name !== name) {
    return { kind: "foreign", detail: `${path} is for another name, ${header.output.name}` };
  }
  const later = lines.slice(1);
  const found = later.find((line) => v.is(Process, line));
  const exit = later.find((line) => v.is(Exited, line));
  return {
    kind: "worker",
    file: {
      header: header.output,
      ...(v.is(Process, found) ? { process: found } : {}),
      ...(v.is(Exited, exit) ? { exit: exit.exit } : {}),
    },
  };
}

export const headerLine = (header: Omit<Header, "kind">): string =>
  JSON.stringify({ kind: "outrider-worker", ...header } satisfies Header);

/** Appends one more line through a descriptor of that inode. @throws what `write` throws; also on a short write */
export function appendLine(fd: number, line: ProcessId | { readonly exit: Exit }): void {
  const bytes = Buffer.from(`\n${JSON.stringify(line)}`);
  if (writeSync(fd, bytes) !== bytes.length) throw Object.assign(new Error(), { code: "ENOSPC" });
}
