/**
 * Starts a worker: create (the name is unique on the engine), write its secrets, start, and check that it
 * does not end at once. If a later step fails, the container is removed again; the listing recognises a
 * container whose creator was killed in between.
 */
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError, Worker, WorkerSpec } from "../runtime.ts";
import { runtimeError } from "./call.ts";
import { type Container, containerOf, SECRETS_DIRECTORY } from "./container.ts";
import type { DockerContext } from "./context.ts";
import { exitOfCode, startedAtMs } from "./list.ts";
import type { Pull } from "./pull.ts";
import { tarOf } from "./tar.ts";

const CLEAN_UP_MS = 20_000;
/** The engine's own rule, without the characters that our names never have. */
const NAME = /^[a-z0-9][a-z0-9.-]{0,127}$/u;
/** In mode `file` it becomes a file name. */
const VARIABLE = /^[^=\0/]{1,90}$/u;
const NO_IMAGE = /no such image/iu;

export async function startWorker(
  context: DockerContext,
  pull: Pull,
  spec: WorkerSpec,
  signal: AbortSignal,
): Promise<Result<Worker, RuntimeError>> {
  const wrong = specError(spec);
  if (wrong !== undefined) return fail("invalid-spec", "terminal", wrong);
  const container = containerOf(spec, context.settings, context.graceSeconds);
  const created = await create(context, pull, spec.name, container, signal);
  if (!created.ok) return created;
  const id = created.value;
  context.starting.add(id);
  try {
    const begun = await begin(context, spec.name, id, container, signal);
    if (begun.ok) return await confirm(context, spec, id, signal);
    await context.engine.remove(id, AbortSignal.timeout(CLEAN_UP_MS));
    return begun;
  } finally {
    context.starting.delete(id);
  }
}

const fail = (
  code: RuntimeError["code"],
  retry: RuntimeError["retry"],
  detail: string,
): Result<never, RuntimeError> => err({ code, retry, detail });

function specError(spec: WorkerSpec): string | undefined {
  if (!NAME.test(spec.name)) return `${JSON.stringify(spec.name)} is no name of a container`;
  const bad = Object.entries({ ...spec.environment, ...spec.secrets }).find(
    ([name, value]) => !VARIABLE.test(name) || value.includes("\0"),
  );
  return bad && `the variable ${JSON.stringify(bad[0])} cannot be passed on: NUL, = or / in it`;
}

async function create(
  context: DockerContext,
  pull: Pull,
  name: string,
  { body }: Container,
  signal: AbortSignal,
): Promise<Result<string, RuntimeError>> {
  for (const again of [true, false]) {
    const made = await context.engine.create(name, body, signal);
    if (made.ok) return made;
    const { code, detail } = made.error;
    if (code === "conflict") return fail("name-taken", "transient", detail);
    if (code !== "not-found") return err(runtimeError(made.error));
    if (!again || !NO_IMAGE.test(detail)) return fail("unavailable", "transient", detail);
    const pulled = await pull(context.settings.image, signal);
    if (!pulled.ok) return pulled;
  }
  throw new Error("unreachable: the second attempt returns");
}

async function begin(
  context: DockerContext,
  name: string,
  id: string,
  { files }: Container,
  signal: AbortSignal,
): Promise<Result<null, RuntimeError>> {
  const { engine, settings } = context;
  if (files.size > 0) {
    const written = await engine.unpack(id, SECRETS_DIRECTORY, tarOf(files), signal);
    if (!written.ok) return err(runtimeError(written.error));
  }
  const started = await engine.start(id, signal);
  if (started.ok) return started;
  const { code, detail } = started.error;
  if (/network .*not found/iu.test(detail)) {
    const hint = `there is no network ${settings.network} on the engine at ${engine.address}: docker network create ${settings.network} there, or set DOCKER_NETWORK`;
    return fail("unavailable", "transient", hint);
  }
  if (code === "timeout") return err(runtimeError(started.error));
  return fail("refused", "transient", `${name} was not started: ${detail}`);
}

async function confirm(
  { engine, log, confirmMs }: DockerContext,
  spec: WorkerSpec,
  id: string,
  signal: AbortSignal,
): Promise<Result<Worker, RuntimeError>> {
  const exited = await engine.exitWithin(id, confirmMs, signal);
  if (!exited.ok) return err(runtimeError(exited.error));
  if (exited.value !== "running") {
    const detail = `${spec.name} ended with ${exitOfCode(exited.value)} within ${confirmMs} ms of its start; its output: docker logs ${spec.name}`;
    return err({ code: "ended", retry: "transient", detail, instance: id });
  }
  const seen = await engine.inspect(id, signal);
  if (!seen.ok) return err(runtimeError(seen.error));
  log.info("worker started", { client_id: spec.clientId, container: id });
  const { clientId, name, fleet, specHash } = spec;
  const atMs = startedAtMs(Math.floor(Date.parse(seen.value.Created) / 1000));
  const worker = { clientId, name, fleet, specHash, instance: id, startedAtMs: atMs };
  return ok({ ...worker, state: "running" });
}
