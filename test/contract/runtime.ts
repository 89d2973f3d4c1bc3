/**
 * What every runtime must hold, written once and run on each: the port's promises to the control
 * plane. A subject says how its workers behave by variables of their environment (`WorkerAct`).
 */
import { describe, expect } from "bun:test";
import {
  codeOf,
  expectChange,
  find,
  listOf,
  type RuntimeSubject,
  signal,
  specOf,
  value,
  whenGone,
  whenState,
} from "./runtime-subject.ts";
import { inTurns, type TurnOptions } from "./runtime-turns.ts";

export function runtimeContract(
  name: string,
  make: () => Promise<RuntimeSubject>,
  options: TurnOptions = {},
): void {
  describe(`Runtime of ${name}`, () => {
    const { it, alone } = inTurns(make, options);

    it("list() is empty before anything was started", async ({ runtime }) => {
      expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
    });

    it("start() gives a running worker that list() shows with its labels", async ({
      subject,
      runtime,
      start,
    }) => {
      const { environment, secrets, ...labels } = specOf("af-1");
      const worker = await start({ ...labels, environment, secrets });
      expect(worker).toMatchObject({ ...labels, state: "running" });
      expect(await listOf(runtime)).toEqual({ workers: [worker], foreign: [] });
      expect(await subject.lives(worker)).toBe(true);
    });

    it("start() passes the whole environment on, and nothing of ours; list() knows any client id", async ({
      subject,
      runtime,
      start,
    }) => {
      const spec = specOf("Prod_EU.1-");
      const seen = await subject.environmentOf(await start(spec));
      expect(seen).toMatchObject({ ...spec.environment, ...spec.secrets });
      expect(seen["SASL_PASSWORD"]).toBeUndefined();
      expect(seen["OUTRIDER_CLIENT_ID"] ?? spec.clientId).toBe(spec.clientId);
      expect((await listOf(runtime)).workers).toMatchObject([{ clientId: spec.clientId }]);
    });

    it("start() answers name-taken while the name is held, running or exited", async ({
      subject,
      runtime,
      start,
    }) => {
      const spec = specOf("af-1", "wait-for-file");
      const worker = await start(spec);
      expect(codeOf(await runtime.start(spec, signal))).toBe("name-taken");
      await subject.release(worker);
      await whenState(runtime, spec, "exited");
      expect(codeOf(await runtime.start(spec, signal))).toBe("name-taken");
      value(await runtime.stop(worker, signal));
      const next = await start({ ...spec, environment: specOf("af-1").environment });
      expect(next.instance).not.toBe(worker.instance);
    });

    it("start() called twenty times at once for one name lets one run", async ({ runtime }) => {
      const spec = specOf("af-1");
      const started = await Promise.all(
        Array.from({ length: 20 }, async () => await runtime.start(spec, signal)),
      );
      expect(started.filter((each) => each.ok)).toHaveLength(1);
      expect(started.filter((each) => codeOf(each) === "name-taken")).toHaveLength(19);
      expect((await listOf(runtime)).workers).toHaveLength(1);
    });

    it("start() says why a worker that ends at once does not run; list() shows it exited", async ({
      runtime,
    }) => {
      const spec = specOf("af-1", "exit-3");
      const started = await runtime.start(spec, signal);
      expect(codeOf(started)).toBe("ended");
      const instance = started.ok ? "" : (started.error.instance ?? "");
      expect(await whenState(runtime, spec, "exited")).toMatchObject({ exit: 3, instance });
    });

    it("list() shows the exit code of a worker that ended by itself", async ({
      subject,
      runtime,
      start,
    }) => {
      const spec = specOf("af-1", "wait-for-file");
      await subject.release(await start(spec));
      expect((await whenState(runtime, spec, "exited")).exit).toBe(5);
    });

    it("list() shows the signal that ended a worker", async ({ subject, runtime, start }) => {
      const spec = specOf("af-1");
      await subject.signal(await start(spec), "SIGKILL");
      expect((await whenState(runtime, spec, "exited")).exit).toBe("signal:SIGKILL");
    });

    it("stop() ends the worker and frees its name; again it is not-found", async ({
      subject,
      runtime,
      start,
    }) => {
      const worker = await start(specOf("af-1"));
      value(await runtime.stop(worker, signal));
      expect(await subject.lives(worker)).toBe(false);
      expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
      expect(codeOf(await runtime.stop(worker, signal))).toBe("not-found");
    });

    it("stop() removes an exited worker", async ({ runtime }) => {
      const spec = specOf("af-1", "exit-0");
      await runtime.start(spec, signal);
      value(await runtime.stop(await whenState(runtime, spec, "exited"), signal));
      expect((await listOf(runtime)).workers).toEqual([]);
    });

    it("stop() kills a worker that ignores SIGTERM, and list() shows it stopping before", async ({
      subject,
      runtime,
      start,
    }) => {
      const spec = specOf("af-1", "ignore-term");
      const worker = await start(spec);
      const stopped = runtime.stop(worker, signal);
      await whenState(runtime, spec, "stopping");
      value(await stopped);
      expect(await subject.lives(worker)).toBe(false);
    });

    it("stop() ends a worker that is suspended", async ({ subject, runtime, start }) => {
      const worker = await start(specOf("af-1"));
      await subject.signal(worker, "SIGSTOP");
      value(await runtime.stop(worker, signal));
      expect(await subject.lives(worker)).toBe(false);
    });

    alone(
      "stop() of many that ignore SIGTERM takes about one grace, not one each",
      async ({ runtime, start }) => {
        const specs = Array.from({ length: 10 }, (_, i) => specOf(`af-${i}`, "ignore-term"));
        const workers = await Promise.all(specs.map(start));
        const beganAt = performance.now();
        const one = value(await runtime.stop(workers[0] ?? failed(), signal));
        const oneMs = performance.now() - beganAt;
        expect(one).toBeNull();
        const allBeganAt = performance.now();
        const rest = await Promise.all(workers.slice(1).map((each) => runtime.stop(each, signal)));
        expect(rest.map(codeOf)).toEqual(rest.map(() => "ok"));
        expect(performance.now() - allBeganAt).toBeLessThan(6 * oneMs);
      },
    );

    it("stop() whose signal aborts answers timeout, and stop() again ends it", async ({
      subject,
      runtime,
      start,
    }) => {
      const worker = await start(specOf("af-1", "ignore-term"));
      expect(codeOf(await runtime.stop(worker, AbortSignal.timeout(30)))).toBe("timeout");
      expect(await subject.lives(worker)).toBe(true);
      value(await runtime.stop(worker, signal));
      expect(await subject.lives(worker)).toBe(false);
    });

    it("stop() of an old incarnation is not-found and does not hit the new one", async ({
      subject,
      runtime,
      start,
    }) => {
      const spec = specOf("af-1");
      const old = await start(spec);
      value(await runtime.stop(old, signal));
      const young = await start(spec);
      expect(codeOf(await runtime.stop(old, signal))).toBe("not-found");
      expect(await subject.lives(young)).toBe(true);
      expect((await listOf(runtime)).workers).toEqual([young]);
    });

    it("reopened, the runtime has the same scope and adopts the workers", async ({
      subject,
      runtime,
      start,
    }) => {
      const worker = await start(specOf("af-1"));
      const next = await subject.reopen();
      expect(next.scope).toBe(runtime.scope);
      expect(await listOf(next)).toEqual({ workers: [worker], foreign: [] });
      expect(codeOf(await next.start(specOf("af-1"), signal))).toBe("name-taken");
      value(await next.stop(worker, signal));
      expect(await subject.lives(worker)).toBe(false);
      // What another one did is seen a moment later where a listing is a watch's.
      await whenGone(runtime, worker);
    });

    it("reopened, a stop that was cut off is repeated", async ({ subject, runtime, start }) => {
      const spec = specOf("af-1", "ignore-term");
      const worker = await start(spec);
      await runtime.stop(worker, AbortSignal.timeout(30));
      const next = await subject.reopen();
      value(await next.stop((await find(next, spec)) ?? failed(), signal));
      expect(await subject.lives(worker)).toBe(false);
    });

    it("watch() reports the exit of an own worker", async ({ subject, runtime, start }) => {
      const spec = specOf("af-1", "wait-for-file");
      const worker = await start(spec);
      await expectChange(runtime, async () => await subject.release(worker));
      expect((await find(runtime, spec))?.state).toBe("exited");
    });

    it("watch() reports the exit of an adopted worker", async ({ subject, start }) => {
      const spec = specOf("af-1", "wait-for-file");
      const worker = await start(spec);
      const next = await subject.reopen();
      await listOf(next);
      await expectChange(next, async () => await subject.release(worker));
      await whenState(next, spec, "exited");
    });

    it("watch() reports a start and is silent after its signal aborted", async ({
      runtime,
      start,
    }) => {
      await expectChange(runtime, async () => {
        await start(specOf("af-1"));
      });
      const ended = new AbortController();
      let calls = 0;
      runtime.watch(() => (calls += 1), ended.signal);
      ended.abort();
      await expectChange(runtime, async () => {
        await start(specOf("af-2"));
      });
      expect(calls).toBe(0);
    });

    it("a foreign object is shown, holds its name, and is never touched", async ({
      subject,
      runtime,
      start,
    }) => {
      const spec = specOf("af-1");
      const untouched = await subject.foreignNamed(spec.name);
      const { workers, foreign } = await listOf(runtime);
      expect(workers).toEqual([]);
      expect(foreign.map((each) => each.name)).toEqual([spec.name]);
      expect(codeOf(await runtime.start(spec, signal))).toBe("name-taken");
      const other = await start(specOf("af-2"));
      const made = { ...other, name: spec.name, clientId: spec.clientId };
      expect(codeOf(await runtime.stop(made, signal))).toBe("not-found");
      expect(await subject.lives(other)).toBe(true);
      expect(await untouched()).toBe(true);
    });

    it("a worker of another fleet is listed as that fleet's", async ({ runtime, start }) => {
      const other = await start(specOf("af-1", "run", "fleet-b"));
      const own = await start(specOf("af-2"));
      const { workers } = await listOf(runtime);
      expect(workers.map((each) => [each.name, each.fleet]).toSorted()).toEqual([
        [other.name, "fleet-b"],
        [own.name, "fleet-a"],
      ]);
      expect(codeOf(await runtime.start(specOf("af-1"), signal))).toBe("name-taken");
    });

    alone(
      "list() shows many workers, started at once and adopted",
      async ({ subject, runtime, start }) => {
        const specs = Array.from({ length: subject.many }, (_, i) => specOf(`af-${i}`));
        const workers = await Promise.all(specs.map(start));
        for (const each of [runtime, await subject.reopen()]) {
          const listed = (await listOf(each)).workers;
          expect(listed.map((worker) => worker.name).toSorted()).toEqual(
            specs.map((spec) => spec.name).toSorted(),
          );
          expect(listed.filter((worker) => worker.state !== "running")).toEqual([]);
        }
        const stopped = await Promise.all(workers.map((each) => runtime.stop(each, signal)));
        expect(stopped.every((each) => each.ok)).toBe(true);
        expect((await listOf(runtime)).workers).toEqual([]);
      },
    );
  });
}

function failed(): never {
  throw new Error("there is no such worker");
}
