/**
 * The runtime `docker`: workers are containers of a Docker Engine, here or on another host.
 *
 * Invariants (test/contract/runtime.ts, test/contract/runtime-docker*.test.ts):
 *  - the container's name is the worker's, so at most one runs per name, whoever starts it;
 *  - what does not carry our labels, under its own name, is neither stopped nor removed; but with
 *    `takeOver`, what the original made for that very cluster (docker-original.ts);
 *  - an act goes to a container's id, which never changes hands;
 *  - a worker is given no more of the host than its limits, and no way to raise them;
 *  - no call waits without a deadline.
 */
import { sleep } from "../../../../shared/deadline.ts";
import { EXIT, type ExitCode } from "../../../../shared/exit.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
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
/** A worker that ends within it did not start: a wrong variable, a missing file. */
const CONFIRM_MS = 500;
/** The machine may still be starting it. */
const OPEN_MS_MAX = 20_000;
const OPEN_RETRY_MS = 500;

export type DockerRuntimeOptions = {
  readonly address: EngineAddress;
  readonly settings: ContainerSettings;
  readonly takeOver: boolean;
  readonly log: Log;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Whole seconds: the engine takes no others. */
  readonly graceSeconds?: number;
  readonly openMsMax?: number;
  /** How long a worker must have run to count as started. */
  readonly confirmMs?: number;
  /** Monotonic. */
  readonly monotonicMs?: () => number;
};

/** Why there is no runtime, and what the program ends with. */
type NotOpened = { readonly exit: ExitCode; readonly detail: string };

export async function dockerRuntime(
  options: DockerRuntimeOptions,
): Promise<Result<Runtime, NotOpened>> {
  const engine = await reach(options);
  if (!engine.ok) return engine;
  const { settings, takeOver, log, random } = options;
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  const context: DockerContext = {
    engine: engine.value,
    settings,
    graceSeconds: options.graceSeconds ?? GRACE_SECONDS,
    confirmMs: options.confirmMs ?? CONFIRM_MS,
    takeOver,
    log,
    monotonicMs,
    random,
    starting: new Set(),
    stopping: new Set(),
    createdSince: new Map(),
    died: new Set(),
    exits: new Map(),
    strangers: new Map(),
  };
  const pull = puller({ engine: engine.value, log, monotonicMs });
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

/** A start would pull it, too, but only after its predecessor had been stopped. */
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

async function reach(options: DockerRuntimeOptions): Promise<Result<Engine, NotOpened>> {
  const { address, signal, log } = options;
  const endsAtMs = performance.now() + (options.openMsMax ?? OPEN_MS_MAX);
  for (;;) {
    const refusal = address.kind === "unix" ? socketRefusal(address.path) : undefined;
    if (refusal !== undefined) return err({ exit: EXIT.configuration, detail: refusal });
    const opened = await openEngine(address, signal);
    if (opened.ok) return opened;
    const { code, detail } = opened.error;
    if (code === "refused") return err({ exit: EXIT.configuration, detail });
    if (signal.aborted || performance.now() > endsAtMs) {
      const hint = "start the engine, or set DOCKER_HOST to where it is, or RUNTIME to another";
      return err({ exit: EXIT.unavailable, detail: `${detail}; ${hint}` });
    }
    log.debug("the engine does not answer yet", { error: detail });
    await sleep(OPEN_RETRY_MS, signal);
  }
}
