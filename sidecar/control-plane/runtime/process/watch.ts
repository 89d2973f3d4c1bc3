/**
 * Notices changes that are not reported to us: exits of adopted workers, which are not our children, and
 * name files that another control plane creates or removes. The kernel reports the exits of our own
 * children.
 */
import { statSync } from "node:fs";
import { notify, type ProcessContext } from "./context.ts";
import { numberInUse, processLives } from "./proc-table.ts";

const POLL_MS = 500;
/** It is cheap to ask whether a pid is in use, but not whether it is a zombie or another process. */
const POLLS_PER_CLOSE_LOOK = 10;

/** One timer for all subscribers; it ends with the last of them. */
export function watcher(
  context: ProcessContext,
  everyPoll: () => void,
): (onChange: () => void, signal: AbortSignal) => void {
  let timer: ReturnType<typeof setInterval> | undefined;
  let changedAt = changeTime(context.workers);
  let polls = 0;
  const poll = () => {
    polls += 1;
    const now = changeTime(context.workers);
    const ended = forgetEnded(context, polls % POLLS_PER_CLOSE_LOOK === 0);
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

function forgetEnded(context: ProcessContext, closely: boolean): boolean {
  let ended = false;
  for (const [token, process] of context.adopted) {
    if (closely ? processLives(process, context.bootId) : numberInUse(process.pid)) continue;
    context.adopted.delete(token);
    ended = true;
  }
  return ended;
}

/**
 * The directory's modification time, which changes with every name. If it cannot be read, the listing will
 * report that.
 */
function changeTime(directory: string): bigint | undefined {
  try {
    return statSync(directory, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
  } catch {
    return undefined;
  }
}
