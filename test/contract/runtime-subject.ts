/** What the contract suite needs of a runtime under test, and the questions it asks of any runtime. */

import * as v from "valibot";
import { openLog } from "../../shared/log.ts";
import { ClientId } from "../../shared/protocol/client-id.ts";
import type { Result } from "../../shared/result.ts";
import type {
  Listing,
  Runtime,
  RuntimeError,
  Worker,
  WorkerSpec,
} from "../../sidecar/control-plane/runtime/runtime.ts";
import { workerNameOf } from "../../sidecar/control-plane/worker/spec.ts";
import { until } from "../bed/condition.ts";
import { clockOf } from "../clock.ts";

/** What the subject's worker program does, from the variable `ACT`. */
export type WorkerAct =
  | "run"
  | "ignore-term"
  | `exit-${number}`
  | "wait-for-file"
  /** Prints lines for some seconds. */
  | "print"
  /** Exits with 4 and leaves a process behind. */
  | "grandchild";

export type RuntimeSubject = {
  readonly runtime: Runtime;
  /** The same scope, opened as after a kill -9 of the control plane: no memory of the first. */
  readonly reopen: () => Promise<Runtime>;
  /** Makes something of others that holds this name; the answer tells whether it is untouched. */
  readonly foreignNamed: (name: string) => Promise<() => Promise<boolean>>;
  /** Sends a signal to the worker's process, as an operator would. */
  readonly signal: (worker: Worker, name: "SIGKILL" | "SIGSTOP") => Promise<void>;
  /** Lets a `wait-for-file` worker exit with code 5. */
  readonly release: (worker: Worker) => Promise<void>;
  /** Does a process of this incarnation run? */
  readonly lives: (worker: Worker) => Promise<boolean>;
  /** The worker's variables as its process sees them. */
  readonly environmentOf: (worker: Worker) => Promise<Readonly<Record<string, string>>>;
  /** How many workers `list` is tried with. */
  readonly many: number;
  /** Ends everything that was started, whatever the test did. */
  readonly cleanup: () => Promise<void>;
};

const DEADLINE_MS = 20_000;
const patience = { deadlineMs: DEADLINE_MS, intervalMs: 20 };

export const silentLog = openLog({
  level: "error",
  format: "text",
  write: () => {},
  clock: clockOf({ nowMs: () => 0 }),
});

/** Never aborts. */
export const signal = new AbortController().signal;

export function specOf(id: string, act: WorkerAct = "run", fleet = "fleet-a"): WorkerSpec {
  const clientId = v.parse(ClientId, id);
  return {
    clientId,
    name: workerNameOf(clientId),
    fleet,
    specHash: "0123456789abcdef",
    environment: { ACT: act, CLIENT_ID: id, WITH_SPACE: "a b=c" },
    secrets: { NEO4J_PASS: "very-secret-value" },
  };
}

export function value<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(`expected a value, got ${JSON.stringify(result.error)}`);
  return result.value;
}

export const codeOf = <T>(result: Result<T, RuntimeError>): string =>
  result.ok ? "ok" : result.error.code;

export const listOf = async (runtime: Runtime): Promise<Listing> =>
  value(await runtime.list(signal));

export async function find(runtime: Runtime, spec: WorkerSpec): Promise<Worker | undefined> {
  const { workers } = await listOf(runtime);
  return workers.find((each) => each.name === spec.name);
}

export async function whenState(
  runtime: Runtime,
  spec: WorkerSpec,
  state: Worker["state"],
): Promise<Worker> {
  return await until(
    `${spec.name} is ${state}`,
    async () => {
      const worker = await find(runtime, spec);
      return worker?.state === state && worker;
    },
    patience,
  );
}

export async function whenGone(runtime: Runtime, { name }: Worker): Promise<void> {
  await until(
    `${name} is gone`,
    async () => (await listOf(runtime)).workers.every((each) => each.name !== name),
    patience,
  );
}

/** Longer than any runtime takes to report what was before. */
const QUIET_MS = 1200;

/** `act` makes the runtime call back, once all that was before it has been told. */
export async function expectChange(runtime: Runtime, act: () => Promise<void>): Promise<void> {
  const ended = new AbortController();
  let lastAtMs = performance.now();
  let calls = 0;
  runtime.watch(() => {
    calls += 1;
    lastAtMs = performance.now();
  }, ended.signal);
  try {
    await until("it is quiet", () => performance.now() - lastAtMs > QUIET_MS, patience);
    calls = 0;
    await act();
    await until("a change is reported", () => calls > 0, patience);
  } finally {
    ended.abort();
  }
}
