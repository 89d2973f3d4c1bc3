/**
 * How long a server is waited for: between two events, and in all. Time in which it waits for us does not
 * count: a consumer that delays the stream says nothing about the server.
 */
import type { Clock } from "../clock.ts";

export type Patience = {
  /** Aborts when it is over. */
  readonly signal: AbortSignal;
  /** The server waits for us. */
  readonly pause: () => void;
  /** We wait for the server, from the beginning of its next silence on. */
  readonly resume: () => void;
};

/** Begins to wait at once. */
export function openPatience(
  { silenceMs, totalMs }: { readonly silenceMs: number; readonly totalMs: number },
  { monotonicMs }: Pick<Clock, "monotonicMs">,
): Patience {
  const over = new AbortController();
  let leftMs = totalMs;
  let sinceMs = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const pause = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = undefined;
    leftMs -= monotonicMs() - sinceMs;
  };
  const resume = () => {
    pause();
    sinceMs = monotonicMs();
    if (leftMs <= 0) over.abort();
    else timer = setTimeout(() => over.abort(), Math.min(silenceMs, leftMs));
  };

  resume();
  return { signal: over.signal, pause, resume };
}
