/**
 * What a job leaves behind. Each job has a temporary directory of its own (TMPDIR); servers, state
 * directories and workers live in it, so a process belongs to the job when its environment, its
 * command line or its working directory names that directory.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export type Leftover = { readonly pid: number; readonly command: string };

const COMMAND_CHARS_MAX = 160;
const POLL_MS = 100;

export function processesIn(directory: string): readonly Leftover[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/u.test(entry) && Number(entry) !== process.pid)
    .flatMap((entry) => {
      const commandLine = textOf(`/proc/${entry}/cmdline`);
      const texts = [commandLine, textOf(`/proc/${entry}/environ`), linkOf(`/proc/${entry}/cwd`)];
      if (!texts.some((text) => text.includes(directory))) return [];
      const command = commandLine.replaceAll("\0", " ").trim().slice(0, COMMAND_CHARS_MAX);
      return [{ pid: Number(entry), command }];
    });
}

/** Waits for all of them to end, and returns those that have not by the deadline. */
export async function survivorsOf(
  directory: string,
  deadlineMs: number,
): Promise<readonly Leftover[]> {
  const endsAt = performance.now() + deadlineMs;
  let left = processesIn(directory);
  while (left.length > 0 && performance.now() < endsAt) {
    await Bun.sleep(POLL_MS);
    left = processesIn(directory);
  }
  return left;
}

export function endAll(left: readonly Leftover[]): void {
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Not ours to read, or gone: then it is none of ours. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
