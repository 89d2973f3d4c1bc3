/**
 * The runtime port: where workers run. Every implementation must pass one contract suite
 * (test/contract/runtime.ts).
 *
 * A worker is known by its name, `kg-graph-builder-<client id>`, and an act is on one instance of it (pid
 * and start time, container id, Job uid), never on a name: another worker that took the name meanwhile must
 * not be hit. `start` relies on the name being unique; otherwise it fails with `name-taken`.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Result } from "../../../shared/result.ts";

/** Every worker's name begins with this; anything else with such a name is foreign, and shown. */
export const WORKER_NAME_PREFIX = "kg-graph-builder-";

export const RUNTIMES = ["process", "docker", "kubernetes"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** What should run. Only the control plane decides it: it contains no field of a registration. */
export type WorkerSpec = {
  readonly clientId: ClientId;
  /** `kg-graph-builder-<client id>`, shortened with a hash if the platform's limit requires it. */
  readonly name: string;
  /** Label `outrider.fleet`: workers of another fleet are never touched. */
  readonly fleet: string;
  /** Label `outrider.spec-hash`: hash of the derived spec without secrets. */
  readonly specHash: string;
  /** The worker's variables that are not secret. */
  readonly environment: Readonly<Record<string, string>>;
  /** Takes precedence over `environment`; never logged, and kept out of listings if the platform can. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Contents by name: each becomes a file that the worker can read, and the variable X_FILE has the path of X. */
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
   * For an exited worker: its exit code, `signal:<name>`, `oom` if it was killed at its memory limit, or
   * `unknown` if its end was not observed.
   */
  readonly exit?: number | `signal:${string}` | "oom" | "unknown";
  /** Somebody else keeps it from running, such as a quota system: it is left alone. Its state is `starting`. */
  readonly held?: "suspended by another" | "paused by another";
};

/**
 * Something that has a worker's name, but not our labels. It is never touched, only shown, with one
 * exception: with `--take-over`, what the original made for that very cluster.
 */
export type Foreign = {
  readonly name: string;
  readonly detail: string;
  /** It has a name but is no program, so it cannot be in the consumer group. */
  readonly inert?: true;
  /** In that case: the worker to stop, once, before ours is started under the name. */
  readonly takeOver?: Worker;
};

export type Listing = {
  /** Workers with our labels, of any fleet; the planner leaves other fleets alone. */
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
    /** The worker's image is missing and cannot be pulled. */
    | "no-image"
    /** For a start: the worker ran, and ended at once. */
    | "ended";
  readonly retry: "transient" | "terminal";
  /** One sentence: what was tried, the limit, what to do. */
  readonly detail: string;
  /** For `ended`: the instance, as in a listing. */
  readonly instance?: InstanceId;
};

export type Runtime = {
  readonly runtime: RuntimeName;
  /** Where this runtime can see workers: host and state directory, engine id, or cluster uid and namespace. */
  readonly scope: string;
  list(signal: AbortSignal): Promise<Result<Listing, RuntimeError>>;
  /** Calls back whenever a worker may have changed (exit, start, removal); the caller lists again. */
  watch(onChange: () => void, signal: AbortSignal): void;
  /**
   * Makes sure, as far as possible beforehand, that a start of this spec will find what it needs: an image,
   * a program. Called before a worker is stopped for it. `timeout`: still under way.
   */
  prepare(spec: WorkerSpec, signal: AbortSignal): Promise<Result<null, RuntimeError>>;
  /** Resolves when the worker runs (started and not exited at once), or with the reason why it does not. */
  start(spec: WorkerSpec, signal: AbortSignal): Promise<Result<Worker, RuntimeError>>;
  /**
   * Stops one instance (a grace period, then by force) and removes it, whatever state it is in. Resolves
   * when it is confirmed gone; a missing instance is `not-found`, which counts as done.
   */
  stop(worker: Worker, signal: AbortSignal): Promise<Result<null, RuntimeError>>;
};
