/**
 * Limits the size of workers' logs. A worker writes to its log itself and keeps it open, so a log that is
 * too long is copied and truncated in place (logrotate's `copytruncate`): lines that are written in between
 * are lost. Kept per worker: `<name>.log`, `.log.1`, `.log.2`.
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
import type { Clock } from "../../../../shared/clock.ts";

/** Rotation blocks, so only this many are rotated at once; the others follow later. */
const ROTATIONS_MAX = 4;
const CHUNK_BYTES = 1024 * 1024;
/** Age at which logs without a worker are removed. */
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;
const FILE_MODE = 0o600;
const LOG_NAME = /^(.+)\.log(\.[12])?$/u;

export type RotateOptions = {
  readonly directory: string;
  readonly bytesMax: number;
  /** Whether a worker has this name. Other logs are removed when they are a week old. */
  readonly isHeld: (name: string) => boolean;
  readonly clock: Clock;
  readonly onError: (path: string, cause: unknown) => void;
};

/** Checks all logs once. A log that cannot be rotated is reported and left. */
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
      } else if (options.clock.nowMs() - mtimeMs > KEEP_MS && !options.isHeld(match[1] ?? "")) {
        unlinkSync(path);
      }
    } catch (cause) {
      options.onError(path, cause);
    }
  }
}

/**
 * Copies the last `bytesMax` bytes to `.1` (which becomes `.2`) and truncates the log. If the disk is too
 * full for the copy, the log is truncated all the same: the limit is kept, the lines are lost.
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
    // Copies only what was there at the start: a worker may write faster than we copy.
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
