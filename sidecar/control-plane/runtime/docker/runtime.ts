/**
 * The runtime `docker`: workers are containers of a Docker Engine, here or on another host.
 *
 * Invariants (test/contract/runtime.ts, test/contract/runtime-docker*.test.ts):
 *  - the container's name is the worker's, so at most one runs per name, whichever program starts it;
 *  - a container without our labels for its own name is neither stopped nor removed, except, with
 *    `takeOver`, one that the original made for that very cluster (original.ts);
 *  - an act is on a container's id, which is never reused;
 *  - a worker gets no more of the host than its limits, and no way to raise them;
 *  - every call has a deadline.
 */
import type { Clock } from "../../../../shared/clock.ts";
import { startDeadline } from "../../../../shared/deadline.ts";
import { EXIT, type ExitCode } from "../../../../shared/exit.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { retry } from "../../../../shared/retry.ts";
import type { Runtime, RuntimeError } from "../runtime.ts";
import { type EngineAddress, socketRefusal } from "./address.ts";
import { runtimeError } from "./call.ts";
import type { ContainerSettings } from "./container.ts";
import type { DockerContext } from "./context.ts";
import { type Engine, openEngine } from "./engine.ts";
import { listWorkers } from "./list.ts";
import { type Pull, puller } from "./pull.ts";
import { startWorker } from "./start.ts";
import { stopWorker } from "./stop.ts";
import { watchEvents } from "./watch.ts";

const GRACE_SECONDS = 10;
/** A worker that ends within this time has failed to start: a wrong variable, a missing file. */
const CONFIRM_MS = 500;
/** The machine may still be starting the engine. */
const OPEN_MS_MAX = 20_000;
const OPEN_PACE = { baseMs: 500, maxMs: 500, certain: 1 } as const;

export type DockerRuntimeOptions = {
  readonly address: EngineAddress;
  readonly settings: ContainerSettings;
  readonly takeOver: boolean;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Whole seconds: the engine accepts only these. */
  readonly graceSeconds?: number;
  readonly openMsMax?: number;
  /** How long a worker must have run to count as started. */
  readonly confirmMs?: number;
};

/** Why there is no runtime, and what the program ends with. */
type NotOpened = { readonly exit: ExitCode; readonly detail: string };

export async function dockerRuntime(
  options: DockerRuntimeOptions,
): Promise<Result<Runtime, NotOpened>> {
  const engine = await reach(options);
  if (!engine.ok) return engine;
  const { settings, takeOver, log, clock } = options;
  const context: DockerContext = {
    engine: engine.value,
    settings,
    graceSeconds: options.graceSeconds ?? GRACE_SECONDS,
    confirmMs: options.confirmMs ?? CONFIRM_MS,
    takeOver,
    log,
    clock,
    starting: new Set(),
    stopping: new Set(),
    createdSince: new Map(),
    died: new Set(),
    exits: new Map(),
    strangers: new Map(),
  };
  const pull = puller({ engine: engine.value, log, clock });
  return ok({
    runtime: "docker",
    scope: `docker:${engine.value.id}`,
    list: (signal) => listWorkers(context, signal),
    watch: (onChange, signal) => void watchEvents(context, onChange, signal),
    prepare: (_spec, signal) => prepareImage(engine.value, pull, settings.image, signal),
    start: (spec, signal) => startWorker(context, pull, spec, signal),
    stop: (worker, signal) => stopWorker(context, worker, signal),
  });
}

/** A start would pull it, too, but only after its predecessor was stopped. */
async function prepareImage(
  engine: Engine,
  pull: Pull,
  image: string,
  signal: AbortSignal,
): Promise<Result<null, RuntimeError>> {
  const found = await engine.hasImage(image, signal);
  if (!found.ok) return err(runtimeError(found.error));
  return found.value ? ok(null) : await pull(image, signal);
}

function reach(options: DockerRuntimeOptions): Promise<Result<Engine, NotOpened>> {
  const { address, signal, log, clock } = options;
  const deadline = startDeadline({ deadlineMs: options.openMsMax ?? OPEN_MS_MAX, signal });
  const hint = "start the engine, or set DOCKER_HOST to where it is, or RUNTIME to another";
  const once = async (): Promise<Result<Engine, NotOpened>> => {
    const refusal = address.kind === "unix" ? socketRefusal(address.path) : undefined;
    if (refusal !== undefined) return err({ exit: EXIT.configuration, detail: refusal });
    const opened = await openEngine(address, signal);
    if (opened.ok) return opened;
    const { code, detail } = opened.error;
    if (code === "refused") return err({ exit: EXIT.configuration, detail });
    return err({ exit: EXIT.unavailable, detail: `${detail}; ${hint}` });
  };
  return retry(once, {
    ...OPEN_PACE,
    clock,
    deadline,
    again: ({ exit }) => exit === EXIT.unavailable,
    failed: ({ detail }) => log.debug("the engine does not answer yet", { error: detail }),
  });
}
