/** Waits for a condition with a deadline, so that no test sleeps. */

const INTERVAL_MS = 50;

export type UntilOptions = { readonly deadlineMs: number; readonly intervalMs?: number };

type NotYet = undefined | null | false;

/**
 * Calls `check` until it gives something other than `undefined`, `null` or `false`, and returns that.
 * A check that throws counts as "not yet"; its last error is reported at the deadline.
 * @throws Error naming what was waited for, how long, and the last value or error.
 */
export async function until<T>(
  what: string,
  check: () => T | NotYet | Promise<T | NotYet>,
  { deadlineMs, intervalMs = INTERVAL_MS }: UntilOptions,
): Promise<T> {
  const endsAt = performance.now() + deadlineMs;
  let last = "the check never answered";
  let cause: unknown;
  for (;;) {
    const leftMs = endsAt - performance.now();
    if (leftMs <= 0) break;
    const seen = await attempt(check, leftMs);
    if (seen.kind === "value") return seen.value;
    cause = seen.kind === "error" ? seen.error : cause;
    last = seen.kind === "hung" ? `${last}; the last check hung` : seen.last;
    await Bun.sleep(Math.min(intervalMs, Math.max(0, endsAt - performance.now())));
  }
  throw new Error(`waited ${deadlineMs} ms for ${what}; last seen: ${last}`, { cause });
}

type Seen<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "not yet"; readonly last: string }
  | { readonly kind: "error"; readonly last: string; readonly error: unknown }
  | { readonly kind: "hung" };

async function attempt<T>(
  check: () => T | NotYet | Promise<T | NotYet>,
  leftMs: number,
): Promise<Seen<T>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hung = new Promise<Seen<T>>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "hung" }), leftMs);
  });
  try {
    return await Promise.race([ask(check), hung]);
  } finally {
    clearTimeout(timer);
  }
}

async function ask<T>(check: () => T | NotYet | Promise<T | NotYet>): Promise<Seen<T>> {
  try {
    const value = await check();
    if (value === undefined || value === null || value === false) {
      return { kind: "not yet", last: String(value) };
    }
    return { kind: "value", value };
  } catch (error) {
    const last = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { kind: "error", last, error };
  }
}
