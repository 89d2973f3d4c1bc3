/**
 * The lines of a stream that may be silent for a long time: read until it ends, is idle for too long, or
 * the signal aborts. A stream is ended by cancelling its reader; under Bun, aborting the request leaks
 * memory (measured: 107 MB against 47 MB after 400 streams).
 */

export type LinesEnd = "ended" | "idle" | "aborted" | "too-long";

export type LinesOptions = {
  readonly idleMs: number;
  readonly lineCharsMax: number;
  readonly signal: AbortSignal;
};

/**
 * Calls `onLine` for each line that is not empty; while its promise is pending nothing more is read.
 * Rejects when the connection breaks.
 */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  { idleMs, lineCharsMax, signal }: LinesOptions,
  onLine: (line: string) => void | Promise<void>,
): Promise<LinesEnd> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let end: LinesEnd = "ended";
  const finish = (why: LinesEnd) => {
    end = why;
    void reader.cancel().catch(() => undefined);
  };
  const onAbort = () => finish("aborted");
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  let idle: ReturnType<typeof setTimeout> | undefined;
  let rest = "";
  try {
    for (;;) {
      clearTimeout(idle);
      idle = setTimeout(() => finish("idle"), idleMs);
      const { done, value } = await reader.read();
      if (done || signal.aborted) return end;
      clearTimeout(idle);
      rest += decoder.decode(value, { stream: true });
      rest = await eachLine(rest, signal, onLine);
      if (signal.aborted) return end;
      if (rest.length > lineCharsMax) return "too-long";
    }
  } finally {
    clearTimeout(idle);
    signal.removeEventListener("abort", onAbort);
    void reader.cancel().catch(() => undefined);
  }
}

/** What follows the last newline. */
async function eachLine(
  text: string,
  signal: AbortSignal,
  onLine: (line: string) => void | Promise<void>,
): Promise<string> {
  let from = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", from)) {
    const line = text.slice(from, at).trim();
    from = at + 1;
    if (line === "") continue;
    const pending = onLine(line);
    if (pending !== undefined) await pending;
    if (signal.aborted) break;
  }
  return text.slice(from);
}
