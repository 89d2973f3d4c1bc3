/** Listing: compares each name file of the state directory with /proc. */
import { readStat } from "../../../../shared/linux/proc-stat.ts";
import { ok, type Result } from "../../../../shared/result.ts";
import type { Foreign, Listing, RuntimeError, Worker } from "../runtime.ts";
import type { ProcessContext } from "./context.ts";
import { heldNames, type ProcessId, readWorkerFile, type WorkerFile } from "./name-file.ts";
import { processLives } from "./proc-table.ts";
import { resolveWhenFree } from "./recover.ts";

/** The event loop gets a turn after this many files. */
const FILES_PER_TURN = 256;
/** An ended child is reaped in the next turn of the event loop. */
const REAP_MS_MAX = 1000;

export async function listWorkers(context: ProcessContext): Promise<Result<Listing, RuntimeError>> {
  const read = await readAll(context);
  if (!read.ok) return read;
  const { files, foreign } = read.value;
  const resolved = resolveWhenFree(
    context,
    files.filter((file) => file.process === undefined),
  );
  if (!resolved.ok) return resolved;
  const workers: Worker[] = [];
  const running = new Map<string, ProcessId>();
  for (const file of files) {
    if (file.process !== undefined) {
      workers.push(await judge(context, file, file.process, running));
    }
  }
  for (const found of resolved.value.values()) {
    if (found.kind === "starting") workers.push(workerOf(found.file, "starting"));
    if (found.kind === "process") {
      workers.push(await judge(context, found.file, found.process, running));
    }
  }
  context.adopted.clear();
  for (const [token, process] of running) context.adopted.set(token, process);
  return ok({ workers, foreign });
}

type Read = { readonly files: readonly WorkerFile[]; readonly foreign: readonly Foreign[] };

async function readAll(context: ProcessContext): Promise<Result<Read, RuntimeError>> {
  const names = heldNames(context.workers);
  if (!names.ok) return names;
  const files: WorkerFile[] = [];
  const foreign: Foreign[] = [];
  for (const [place, name] of names.value.entries()) {
    if (place % FILES_PER_TURN === FILES_PER_TURN - 1) await Bun.sleep(0);
    const seen = readWorkerFile(context.workers, name);
    if (!seen.ok) return seen;
    if (seen.value.kind === "foreign") {
      foreign.push({ name, detail: seen.value.detail, inert: true });
    }
    if (seen.value.kind === "worker") files.push(seen.value.file);
  }
  return ok({ files, foreign });
}

/** Adds it to `running` when it runs and is not our child. */
async function judge(
  context: ProcessContext,
  file: WorkerFile,
  process: ProcessId,
  running: Map<string, ProcessId>,
): Promise<Worker> {
  const { token } = file.header;
  const child = context.children.get(token);
  if (file.exit === undefined && processLives(process, context.bootId)) {
    if (child === undefined) running.set(token, process);
    if (context.terminated.has(token)) return workerOf(file, "stopping");
    if (readStat(process.pid)?.stopped !== true) return workerOf(file, "running");
    return { ...workerOf(file, "starting"), held: "paused by another" };
  }
  if (child !== undefined && child.exit() === undefined) {
    await Promise.race([child.exited, Bun.sleep(REAP_MS_MAX)]);
  }
  return { ...workerOf(file, "exited"), exit: child?.exit() ?? file.exit ?? "unknown" };
}

function workerOf({ header }: WorkerFile, state: Worker["state"]): Worker {
  const { clientId, name, fleet, specHash, token, startedAtMs } = header;
  return { clientId, name, fleet, specHash, instance: token, state, startedAtMs };
}
