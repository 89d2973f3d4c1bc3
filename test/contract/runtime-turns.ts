/** Tests of the contract suite, each on a subject of its own, several at once where that saves time. */
import { test } from "bun:test";
import type { Runtime, Worker, WorkerSpec } from "../../sidecar/control-plane/runtime/runtime.ts";
import { type RuntimeSubject, signal, value } from "./runtime-subject.ts";

const TEST_MS = 60_000;
const TURNS_MS_MAX = 180_000;

type Given = {
  readonly subject: RuntimeSubject;
  readonly runtime: Runtime;
  /** @throws Error when it does not start. */
  readonly start: (spec: WorkerSpec) => Promise<Worker>;
};

export type TurnOptions = {
  /** How many tests run at once; by default one. */
  readonly atOnce?: number;
};

type Define = (what: string, body: (given: Given) => Promise<void>) => void;
type Tests = {
  readonly it: Define;
  /** Of what takes all of the machine, or its time: nothing else runs meanwhile. */
  readonly alone: Define;
};

export function inTurns(make: () => Promise<RuntimeSubject>, { atOnce = 1 }: TurnOptions): Tests {
  const turns = openTurns(atOnce);
  const run = (body: (given: Given) => Promise<void>) => async () => {
    const leave = await turns();
    try {
      await onSubject(await make(), body);
    } finally {
      leave();
    }
  };
  const alone: Tests["alone"] = (what, body) => test.serial(what, run(body), TEST_MS);
  if (atOnce === 1) return { it: alone, alone };
  return {
    // Its time begins before its turn.
    it: (what, body) => test.concurrent(what, run(body), TURNS_MS_MAX + TEST_MS),
    alone,
  };
}

async function onSubject(
  subject: RuntimeSubject,
  body: (given: Given) => Promise<void>,
): Promise<void> {
  const { runtime } = subject;
  const start: Given["start"] = async (spec) => value(await runtime.start(spec, signal));
  try {
    await body({ subject, runtime, start });
  } finally {
    await subject.cleanup();
  }
}

/** At most so many at a time: whoever got a turn calls what it was given to leave. */
function openTurns(atOnce: number): () => Promise<() => void> {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    return () => {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    };
  };
}
