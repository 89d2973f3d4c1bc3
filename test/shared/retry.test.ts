/** Trying again: how often, how long between, and which error is the answer. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { startDeadline } from "../../shared/deadline.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { ALWAYS, isTransient, repeat, retry, type Turn } from "../../shared/retry.ts";

type Failure = { readonly retry: "transient" | "terminal"; readonly of: number };
type Outcome = "ok" | "transient" | "terminal";

const PACE = { baseMs: 100, maxMs: 1000 } as const;

/** A clock that sleeps in no time and remembers how long it was asked to. */
function dreamer(onSleep: () => void = () => undefined) {
  const waitsMs: number[] = [];
  const sleep = (ms: number) => {
    waitsMs.push(ms);
    onSleep();
    return Promise.resolve();
  };
  return { waitsMs, clock: { random: () => 1, sleep } };
}

/** Gives the outcomes in turn, the last one for ever; a failure says which try it was. */
function playing(outcomes: readonly Outcome[]) {
  let tries = 0;
  const operation = (): Promise<Result<number, Failure>> => {
    const outcome = outcomes[Math.min(tries, outcomes.length - 1)] ?? "ok";
    tries += 1;
    return Promise.resolve(outcome === "ok" ? ok(tries) : err({ retry: outcome, of: tries }));
  };
  return { operation, tries: () => tries };
}

describe("retry()", () => {
  const cases: readonly {
    readonly name: string;
    readonly outcomes: readonly Outcome[];
    readonly triesMax?: number;
    readonly result: Result<number, Failure>;
    readonly waitsMs: readonly number[];
  }[] = [
    { name: "waits for nothing after a success", outcomes: ["ok"], result: ok(1), waitsMs: [] },
    {
      name: "waits longer after each failure, up to its longest wait",
      outcomes: [...Array.from({ length: 5 }, () => "transient" as const), "ok"],
      result: ok(6),
      waitsMs: [100, 200, 400, 800, 1000],
    },
    {
      name: "ends with what no retry helps",
      outcomes: ["transient", "terminal"],
      result: err({ retry: "terminal", of: 2 }),
      waitsMs: [100],
    },
    {
      name: "ends after its last try, with that one's error",
      outcomes: ["transient"],
      triesMax: 3,
      result: err({ retry: "transient", of: 3 }),
      waitsMs: [100, 200],
    },
  ];
  test.each(cases)("$name", async ({ outcomes, triesMax, result, waitsMs }) => {
    const { clock, waitsMs: waited } = dreamer();
    const limit = triesMax === undefined ? {} : { triesMax };
    const policy = { ...PACE, ...limit, clock, again: isTransient };
    expect(await retry(playing(outcomes).operation, policy)).toEqual(result);
    expect(waited).toEqual([...waitsMs]);
  });

  test("tells of each failure that may be tried again, the last one, too", async () => {
    const told: unknown[] = [];
    const failed = (...what: unknown[]) => void told.push(what);
    const policy = { ...PACE, ...dreamer(), triesMax: 2, again: ALWAYS, failed };
    await retry(playing(["terminal"]).operation, policy);
    expect(told).toEqual([
      [{ retry: "terminal", of: 1 }, 1, 100],
      [{ retry: "terminal", of: 2 }, 2, 200],
    ]);
  });

  test("tries once although the signal has aborted, and tells nobody", async () => {
    const { operation, tries } = playing(["transient"]);
    const failed = () => {
      throw new Error("told");
    };
    const policy = { ...PACE, ...dreamer(), again: isTransient, failed };
    expect((await retry(operation, policy, AbortSignal.abort())).ok).toBe(false);
    expect(tries()).toBe(1);
  });

  test("tries no more once the signal aborts during a wait", async () => {
    const stop = new AbortController();
    const { operation, tries } = playing(["transient"]);
    const policy = { ...PACE, ...dreamer(() => stop.abort()), again: isTransient };
    expect(await retry(operation, policy, stop.signal)).toEqual(err({ retry: "transient", of: 1 }));
    expect(tries()).toBe(1);
  });

  test("gives the error before the one that the signal cut short", async () => {
    const stop = new AbortController();
    const { operation, tries } = playing(["transient"]);
    const cutShort = () => {
      if (tries() === 2) stop.abort();
      return operation();
    };
    const policy = { ...PACE, ...dreamer(), again: isTransient };
    const ended = await retry(cutShort, policy, stop.signal);
    expect(ended).toEqual(err({ retry: "transient", of: 2 }));
    expect(tries()).toBe(3);
  });

  test("waits no longer than its deadline, and tries no more after it", async () => {
    const { operation, tries } = playing(["transient"]);
    const { clock, waitsMs } = dreamer();
    const over = {
      ...startDeadline({ deadlineMs: 60 }),
      leftMs: () => 60,
      over: () => tries() > 1,
    };
    const policy = { ...PACE, clock, again: isTransient, deadline: over };
    expect(await retry(operation, policy)).toEqual(err({ retry: "transient", of: 1 }));
    expect(waitsMs).toEqual([60]);
    expect(tries()).toBe(2);
  });

  test("never tries more often than the operation fails for now, plus one", async () => {
    const outcome = fc.constantFrom<Outcome>("ok", "transient", "terminal");
    await fc.assert(
      fc.asyncProperty(fc.array(outcome), async (drawn) => {
        const outcomes: readonly Outcome[] = [...drawn, "ok"];
        const { operation, tries } = playing(outcomes);
        await retry(operation, { ...PACE, ...dreamer(), again: isTransient });
        expect(tries()).toBe(outcomes.findIndex((each) => each !== "transient") + 1);
      }),
    );
  });
});

describe("repeat()", () => {
  const cases: readonly [string, readonly Turn[], readonly number[], readonly number[]][] = [
    ["goes on at once", ["again", "again", "over"], [], [0, 0, 0]],
    ["waits longer after each failure", ["failed", "failed", "over"], [100, 200], [0, 1, 2]],
    [
      "begins anew after a sound turn",
      ["failed", "again", "failed", "over"],
      [100, 100],
      [0, 1, 0, 1],
    ],
    [
      "counts what lapsed as the first failure",
      ["failed", "failed", "lapsed", "failed", "over"],
      [100, 200, 100, 200],
      [0, 1, 2, 1, 2],
    ],
  ];
  test.each(cases)("%s", async (_name, turns, waits, counts) => {
    const { clock, waitsMs } = dreamer();
    const seen: number[] = [];
    const turn = (failures: number): Promise<Turn> => {
      seen.push(failures);
      return Promise.resolve(turns[seen.length - 1] ?? "over");
    };
    await repeat(turn, { ...PACE, clock }, new AbortController().signal);
    expect(waitsMs).toEqual([...waits]);
    expect(seen).toEqual([...counts]);
  });

  test("takes no turn once the signal has aborted, and ends in the middle of a wait", async () => {
    const stop = new AbortController();
    let turns = 0;
    const turn = (): Promise<Turn> => {
      turns += 1;
      return Promise.resolve("failed");
    };
    await repeat(turn, { ...PACE, ...dreamer() }, AbortSignal.abort());
    expect(turns).toBe(0);
    await repeat(turn, { ...PACE, ...dreamer(() => stop.abort()) }, stop.signal);
    expect(turns).toBe(1);
  });
});
