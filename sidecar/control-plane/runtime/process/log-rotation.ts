/**
 * Bounds the logs of workers. A worker writes to its log by itself and keeps it open, so a log that
 * has grown too long is copied and cut in place (logrotate's `copytruncate`): lines that are written
 * between the two are lost. Kept per worker: `<name>.log`, `.log.1`, `.log.2`.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Rotation blocks: this many in one go, the others with the next. */
const ROTATIONS_MAX = 4;
const CHUNK_BYTES = 1024 * 1024;
/** Logs of a worker that is no more. */
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;
const FILE_MODE = 0o600;
const LOG_NAME = /^(.+)\.log(\.[12])?$/u;

export type RotateOptions = {
  readonly directory: string;
  readonly bytesMax: number;
  /** Has the name a worker? Logs of others go when they are a week old. */
  readonly isHeld: (name: string) => boolean;
  readonly nowMs: () => number;
  readonly onError: (path: string, cause: unknown) => void;
};

/** One look at all logs. A log that cannot be handled is told and left. */
export function rotateLogs(options: RotateOptions): void {
  let left = ROTATIONS_MAX;
  for (const file of readdirSync(options.directory)) {
    const match = LOG_NAME.exec(file);
    if (match === null) continue;
    const path = join(options.directory, file);
    try {
      const { size, mtimeMs } = lstatSync(path);
      if (match[2] === undefined && size > options.bytesMax && left > 0) {
        left -= 1;
        rotateLog(path, options.bytesMax);
      } else if (options.nowMs() - mtimeMs > KEEP_MS && !options.isHeld(match[1] ?? "")) {
        unlinkSync(path);
      }
    } catch (cause) {
      options.onError(path, cause);
    }
  }
}

/**
 * Copies the last `bytesMax` bytes to `.1` (which becomes `.2`) and cuts the log. On a disk that is
 * too full for the copy the log is cut all the same: the bound holds, the lines are lost.
 * @throws what the file system throws
 */
function rotateLog(path: string, bytesMax: number): void {
  const log = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const part = `${path}.part`;
    try {
      copyTail(log, part, bytesMax);
      renameExisting(`${path}.1`, `${path}.2`);
      renameSync(part, `${path}.1`);
    } finally {
      ftruncateSync(log, 0);
    }
  } finally {
    closeSync(log);
  }
}

function copyTail(log: number, to: string, bytesMax: number): void {
  const copy = openSync(
    to,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    FILE_MODE,
  );
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const { size } = fstatSync(log);
    let at = Math.max(0, size - bytesMax);
    // Bounded by what was there when we looked: a worker may write faster than we copy.
    while (at < size) {
      const length = readSync(log, chunk, 0, Math.min(chunk.length, size - at), at);
      if (length === 0) break;
      for (let done = 0; done < length; ) done += writeSync(copy, chunk, done, length - done);
      at += length;
    }
  } finally {
    closeSync(copy);
  }
}

function renameExisting(from: string, to: string): void {
  if (lstatSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, to);
}
