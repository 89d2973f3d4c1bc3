/**
 * Noticing changes that nobody reports: exits of adopted workers, which are not our children, and
 * name files that another control plane makes or removes. Own exits are reported by the kernel.
 */
import { statSync } from "node:fs";
import { type Context, notify } from "./process-context.ts";
import { processLives } from "./process-table.ts";

const POLL_MS = 500;

/** One timer for all who watch; it ends with the last of them. */
export function watcher(
  context: Context,
  everyPoll: () => void,
): (onChange: () => void, signal: AbortSignal) => void {
  let timer: ReturnType<typeof setInterval> | undefined;
  let changedAt = changeTime(context.workers);
  const poll = () => {
    const now = changeTime(context.workers);
    const ended = forgetEnded(context);
    if (ended || now !== changedAt) notify(context);
    changedAt = now;
    everyPoll();
  };
  return (onChange, signal) => {
    if (signal.aborted) return;
    const listener = () => onChange();
    context.listeners.add(listener);
    timer ??= setInterval(poll, POLL_MS);
    const leave = () => {
      context.listeners.delete(listener);
      if (context.listeners.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
    signal.addEventListener("abort", leave, { once: true });
  };
}

function forgetEnded(context: Context): boolean {
  let ended = false;
  for (const [token, process] of context.adopted) {
    if (processLives(process, context.bootId)) continue;
    context.adopted.delete(token);
    ended = true;
  }
  return ended;
}

/** Of the directory: it grows with every name made or removed. */
function changeTime(directory: string): bigint | undefined {
  return statSync(directory, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
}
