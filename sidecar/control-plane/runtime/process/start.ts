/**
 * Starts a worker: first its name, then the process, then its pid; see name-file.ts. All of it happens
 * under the lock and synchronously, so a kill of this process leaves at worst a name without a pid, which
 * recover.ts resolves.
 */

import { randomBytes } from "node:crypto";
import { closeSync, constants, linkSync, openSync, unlinkSync } from "node:fs";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { sleep } from "../../../../shared/clock.ts";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { readStat } from "../../../../shared/linux/proc-stat.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError, Worker, WorkerSpec } from "../runtime.ts";
import { logPath, notify, type ProcessContext } from "./context.ts";
import { fail, unavailable } from "./error.ts";
import { recordExit } from "./exit.ts";
import { appendLine, type Exit, headerLine, type ProcessId, workerPath } from "./name-file.ts";
import { resolveLocked } from "./recover.ts";

/** A worker that ends within this time has failed to start: a wrong argument, a missing library. */
const CONFIRM_MS = 100;
const FILE_MODE = 0o600;
const LOG_FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
const TOKEN_BYTES = 16;
/** It becomes a file name. */
const NAME = /^[a-z0-9][a-z0-9.-]{0,199}$/u;
const VARIABLE = /^[^=\0]+$/u;
/** Errors of a spawn that the same command will always give. */
const NOT_EXECUTABLE: readonly string[] = ["ENOENT", "EACCES", "ENOEXEC", "ENOTDIR", "ELOOP"];

type Launched = { readonly child: Subprocess; readonly process: ProcessId };

export async function startWorker(
  context: ProcessContext,
  spec: WorkerSpec,
  signal: AbortSignal,
): Promise<Result<Worker, RuntimeError>> {
  const wrong = specError(spec);
  if (wrong !== undefined) return fail("invalid-spec", "terminal", wrong);
  if (signal.aborted) return fail("timeout", "transient", `${spec.name} was not started: too late`);
  const token = randomBytes(TOKEN_BYTES).toString("hex");
  const startedAtMs = context.clock.nowMs();
  const draft = join(context.drafts, token);
  let file: FileHandle | undefined;
  try {
    file = await open(draft, "ax", FILE_MODE);
    const { name, clientId, fleet, specHash } = spec;
    await file.write(headerLine({ name, clientId, fleet, specHash, token, startedAtMs }));
    await file.sync();
    const { fd } = file;
    const held = await context.lock.hold(() => launch(context, spec, token, draft, fd), signal);
    if (!held.ok) return held;
    if (!held.value.ok) return held.value;
    const { child, process } = held.value.value;
    await file.sync();
    return await confirm(context, { spec, token, startedAtMs, child, process }, signal);
  } catch (cause) {
    return err(unavailable("writing", draft, cause));
  } finally {
    await file?.close();
    await unlink(draft).catch(() => undefined);
  }
}

function specError(spec: WorkerSpec): string | undefined {
  if (!NAME.test(spec.name)) return `the worker name ${JSON.stringify(spec.name)} is no file name`;
  const bad = Object.entries({ ...spec.environment, ...spec.secrets }).find(
    ([name, value]) => !VARIABLE.test(name) || value.includes("\0"),
  );
  return bad && `the variable ${JSON.stringify(bad[0])} cannot be passed on: NUL or = in it`;
}

/** Call it while holding the lock. */
function launch(
  context: ProcessContext,
  spec: WorkerSpec,
  token: string,
  draft: string,
  fd: number,
): Result<Launched, RuntimeError> {
  const path = workerPath(context.workers, spec.name);
  const claimed = claim(context, spec.name, draft, path);
  if (!claimed.ok) return claimed;
  const spawned = spawn(context, spec, token);
  if (!spawned.ok) {
    unlinkSync(path);
    return spawned;
  }
  const child = spawned.value;
  // An ended child stays a zombie until the event loop turns, so its start time can be read.
  const startTicks = readStat(child.pid)?.startTicks ?? 0;
  const process = { pid: child.pid, startTicks, bootId: context.bootId };
  try {
    appendLine(fd, process);
    keep(context, spec.name, token, child);
    return ok({ child, process });
  } catch (cause) {
    // Its file stays without a pid; it is removed once no process has the token.
    globalThis.process.kill(-child.pid, "SIGKILL");
    return err(unavailable("writing the pid to", path, cause));
  }
}

function claim(
  context: ProcessContext,
  name: string,
  draft: string,
  path: string,
): Result<null, RuntimeError> {
  for (const again of [true, false]) {
    try {
      linkSync(draft, path);
      return ok(null);
    } catch (cause) {
      if (errnoOf(cause) !== "EEXIST") return err(unavailable("creating", path, cause));
    }
    if (!again || resolveLocked(context, [name]).get(name)?.kind !== "free") break;
  }
  return fail("name-taken", "transient", `${path} exists: stop what holds the name first`);
}

function spawn(
  context: ProcessContext,
  spec: WorkerSpec,
  token: string,
): Result<Subprocess, RuntimeError> {
  const path = logPath(context, spec.name);
  let log: number;
  try {
    log = openSync(path, LOG_FLAGS, FILE_MODE);
  } catch (cause) {
    return err(unavailable("opening the log", path, cause));
  }
  try {
    const child = Bun.spawn([...context.command], {
      // `setsid`: neither a signal to our group nor the end of our terminal reaches it.
      detached: true,
      stdin: "ignore",
      stdout: log,
      stderr: log,
      env: {
        ...context.environment,
        ...spec.environment,
        ...spec.secrets,
        // biome-ignore-start lint/style/useNamingConvention: variables of the environment
        OUTRIDER_FLEET: spec.fleet,
        OUTRIDER_CLIENT_ID: spec.clientId,
        OUTRIDER_SPEC_HASH: spec.specHash,
        OUTRIDER_INSTANCE: token,
        // biome-ignore-end lint/style/useNamingConvention: as above
      },
    });
    child.unref();
    return ok(child);
  } catch (cause) {
    return err(spawnError(context.command[0] ?? "", cause));
  } finally {
    closeSync(log);
  }
}

/** Checks that the program can be found and executed, before a worker is stopped for it. */
export function programError({ command, environment }: ProcessContext): Result<null, RuntimeError> {
  const [program = ""] = command;
  const path = environment["PATH"];
  const found = Bun.which(program, path === undefined ? {} : { PATH: path });
  return found === null ? err(notExecutable(program, "not found, or not executable")) : ok(null);
}

const notExecutable = (program: string, why: string): RuntimeError => ({
  code: "invalid-spec",
  retry: "terminal",
  detail: `${program} cannot be executed: ${why}; set WORKER_COMMAND to a program that exists and that this user may execute`,
});

function spawnError(program: string, cause: unknown): RuntimeError {
  const errno = errnoOf(cause) || (cause instanceof Error ? cause.name : "unknown error");
  if (NOT_EXECUTABLE.includes(errno)) return notExecutable(program, errno);
  if (errno === "E2BIG") {
    const detail = `${program} was not started: E2BIG, its environment is longer than the kernel accepts; shorten WORKER_ENV_FILE`;
    return { code: "invalid-spec", retry: "terminal", detail };
  }
  const detail = `${program} was not started: ${errno}; raise the limit of processes, open files or memory`;
  return { code: "unavailable", retry: "transient", detail };
}

/** Remembers the child until it is removed, and records its exit. */
function keep(context: ProcessContext, name: string, token: string, child: Subprocess): void {
  let exit: Exit | undefined;
  const exited = child.exited.then(async (code) => {
    exit = child.signalCode === null ? code : `signal:${child.signalCode}`;
    await recordExit(context, name, token, exit);
    notify(context);
  });
  context.children.set(token, { exited, exit: () => exit });
}

type Begun = Launched & {
  readonly spec: WorkerSpec;
  readonly token: string;
  readonly startedAtMs: number;
};

async function confirm(
  context: ProcessContext,
  { spec, token, startedAtMs, child, process }: Begun,
  signal: AbortSignal,
): Promise<Result<Worker, RuntimeError>> {
  await Promise.race([child.exited, sleep(CONFIRM_MS, signal)]);
  const exit = child.signalCode ?? child.exitCode;
  if (exit !== null) {
    const path = logPath(context, spec.name);
    const detail = `${spec.name} ended with ${exit} within ${CONFIRM_MS} ms of its start; its output is in ${path}`;
    return err({ code: "ended", retry: "transient", detail, instance: token });
  }
  context.log.info("worker started", { client_id: spec.clientId, pid: process.pid });
  const { clientId, name, fleet, specHash } = spec;
  return ok({ clientId, name, fleet, specHash, instance: token, state: "running", startedAtMs });
}
