/**
 * The runtime port: where workers run. One contract suite (test/contract/runtime.ts) holds for every
 * implementation.
 *
 * A worker is known by its name, `kg-graph-builder-<client id>`, and an act is done on one instance
 * of it (pid and start time, container id, Job uid), never on a name: what took the name meanwhile
 * must not be hit. `start` relies on the name being unique; it fails with `name-taken` otherwise.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Result } from "../../../shared/result.ts";

/** Every worker's name begins so; whatever else has such a name is foreign, and shown. */
export const WORKER_NAME_PREFIX = "kg-graph-builder-";

export const RUNTIMES = ["process", "docker", "kubernetes"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** What shall run. Derived by the control plane alone: no field of a registration is in it. */
export type WorkerSpec = {
  readonly clientId: ClientId;
  /** `kg-graph-builder-<client id>`, shortened with a hash where the platform's limit asks for it. */
  readonly name: string;
  /** Label `outrider.fleet`: workers of another fleet are never touched. */
  readonly fleet: string;
  /** Label `outrider.spec-hash`: hash of the derived spec without secrets. */
  readonly specHash: string;
  /** The worker's variables that anybody may see. */
  readonly environment: Readonly<Record<string, string>>;
  /** Wins over `environment`; never logged, and kept out of listings where the platform can. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Contents by name: each is put where the worker can read it, and the variable X_FILE says where X is. */
  readonly files?: Readonly<Record<string, string>>;
};

/** Identity of one incarnation of a worker; opaque outside the runtime that made it. */
export type InstanceId = string;

export type WorkerState = "starting" | "running" | "stopping" | "exited";

export type Worker = {
  readonly clientId: ClientId;
  readonly name: string;
  readonly fleet: string;
  readonly specHash: string;
  readonly instance: InstanceId;
  readonly state: WorkerState;
  /** Start of this instance, Unix time in ms, by the runtime's clock. Shown, never decided on. */
  readonly startedAtMs: number;
  /**
   * Of an exited worker: its exit code, `signal:<name>`, `oom` when it was killed over its memory limit,
   * or unknown when nobody saw it end.
   */
  readonly exit?: number | `signal:${string}` | "oom" | "unknown";
  /** Somebody else keeps it from running, such as a quota system: it is left alone. Its state is `starting`. */
  readonly held?: "suspended by another" | "paused by another";
};

/**
 * Something that holds a worker's name and does not carry our labels. Never touched, only shown, but for
 * one case: an operator said `--take-over`, and it is what the original made for that very cluster.
 */
export type Foreign = {
  readonly name: string;
  readonly detail: string;
  /** It holds a name and is no program: nothing of it can be in the consumer group. */
  readonly inert?: true;
  /** In that case: what to stop, once, before ours is started under the name. */
  readonly takeOver?: Worker;
};

export type Listing = {
  /** Labelled ours, of whichever fleet; the planner leaves other fleets alone. */
  readonly workers: readonly Worker[];
  readonly foreign: readonly Foreign[];
};

export type RuntimeError = {
  readonly code:
    | "name-taken"
    | "not-found"
    | "unavailable"
    | "refused"
    | "timeout"
    | "invalid-spec"
    /** The worker's image is not there and cannot be had. */
    | "no-image"
    /** Of a start: the worker ran, and ended at once. */
    | "ended";
  readonly retry: "transient" | "terminal";
  /** One sentence: what was tried, the limit, what to do. */
  readonly detail: string;
  /** Of `ended`: which one, as a listing shows it too. */
  readonly instance?: InstanceId;
};

export type Runtime = {
  readonly runtime: RuntimeName;
  /** What this runtime can see: host and state directory, engine id, or cluster uid and namespace. */
  readonly scope: string;
  list(signal: AbortSignal): Promise<Result<Listing, RuntimeError>>;
  /** Calls back whenever a worker may have changed (exit, start, removal); the caller lists again. */
  watch(onChange: () => void, signal: AbortSignal): void;
  /**
   * Sees that a start of this spec will find what it needs and what can be had beforehand: an image, a
   * program. Asked before a worker is stopped for it. `timeout`: it is under way.
   */
  prepare(spec: WorkerSpec, signal: AbortSignal): Promise<Result<null, RuntimeError>>;
  /** Resolves when the worker runs (started and not exited at once), or with the reason it does not. */
  start(spec: WorkerSpec, signal: AbortSignal): Promise<Result<Worker, RuntimeError>>;
  /**
   * Stops one instance (grace, then by force) and removes it, whatever state it is in. Resolves when
   * it is confirmed gone; an instance that is not there any more is `not-found`, which callers take
   * as done.
   */
  stop(worker: Worker, signal: AbortSignal): Promise<Result<null, RuntimeError>>;
};
