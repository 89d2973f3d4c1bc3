/** Waiting on the machine's clock: it ends in time, once, and leaves nothing behind. */
import { describe, expect, test } from "bun:test";
import { sleep } from "../../shared/clock.ts";
import { withDeadline } from "../../shared/deadline.ts";

const SOON_MS = 5;
const LONG_MS = 3_600_000;

describe("sleep()", () => {
  test("ends by itself", async () => {
    expect(await sleep(SOON_MS)).toBeUndefined();
  });
  test("ends when the signal aborts, and does not reject", async () => {
    const cut = new AbortController();
    const sleeping = sleep(LONG_MS, cut.signal);
    cut.abort(new Error("enough"));
    expect(await sleeping).toBeUndefined();
  });
  test("does not begin when the signal has aborted", async () => {
    expect(await sleep(LONG_MS, AbortSignal.abort())).toBeUndefined();
  });
  test("does not end at once when the time is longer than a timer can hold", async () => {
    const cut = new AbortController();
    const first = await Promise.race([
      sleep(2 ** 31, cut.signal).then(() => "slept"),
      sleep(SOON_MS).then(() => "still sleeping"),
    ]);
    cut.abort();
    expect(first).toBe("still sleeping");
  });
  test("leaves no timer that keeps the process alive", async () => {
    const code = `import { sleep } from "./shared/clock.ts";
      import { withDeadline } from "./shared/deadline.ts";
      const cut = new AbortController();
      setTimeout(() => cut.abort(), 1);
      await sleep(${LONG_MS}, cut.signal);
      await withDeadline(Promise.resolve(), ${LONG_MS}, "x");`;
    const run = Bun.spawn([process.execPath, "-e", code], { cwd: `${import.meta.dir}/../..` });
    expect(await withDeadline(run.exited, 10_000, "the process")).toBe(0);
  });
});
