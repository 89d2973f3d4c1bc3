/** Starts the real binaries under test and collects what they print. */
import { killGroup, signalProcess, spawnReaped } from "./reaper.ts";

/** How much of a process's output is kept; older text is dropped. */
const OUTPUT_CHARS_MAX = 4 * 1024 * 1024;
const GRACE_MS = 10_000;
const POLL_MS = 20;

export type ProcessOptions = {
  readonly name: string;
  readonly command: readonly string[];
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
};

type Exit = { readonly code: number | null; readonly signal: string | number | null };

export type BedProcess = {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended and its output is read to the end. */
  readonly exited: Promise<Exit>;
  readonly running: () => boolean;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** SIGTERM, then SIGKILL after the grace period; also for what it left in its process group. */
  readonly stop: (graceMs?: number) => Promise<Exit>;
  /** CPU time of the process and its reaped descendants; 0 until it has ended. */
  readonly cpuSeconds: () => number;
  /** stdout and stderr as they came; at most the last 4 MiB. */
  readonly output: () => string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until the output matches; fails early when the process ends without. */
  readonly waitForOutput: (pattern: RegExp, deadlineMs: number) => Promise<RegExpMatchArray>;
};

const started = new Set<BedProcess>();

/** Kills every process that `startProcess` started and that still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...started].map((each) => each.stop(0)));
}

/** Starts a process that ends with this one at the latest. */
export function startProcess({ name, command, env, cwd }: ProcessOptions): BedProcess {
  const child = spawnReaped({
    name,
    command,
    env,
    output: "pipe",
    ...(cwd === undefined ? {} : { cwd }),
  });
  void child.stdin.end();
  const all = boundedText();
  const out = boundedText();
  const err = boundedText();
  const drained = Promise.all([drain(child.stdout, [all, out]), drain(child.stderr, [all, err])]);
  const running = () => child.exitCode === null && child.signalCode === null;
  const ended = child.exited.then(() => ({ code: child.exitCode, signal: child.signalCode }));
  // A grandchild may hold the pipes open: then the end of the process counts, after a short time.
  const exited = ended.then(async (exit): Promise<Exit> => {
    await Promise.race([drained, Bun.sleep(500)]);
    return exit;
  });
  const self: BedProcess = {
    name,
    pid: child.pid,
    exited,
    running,
    kill: (signal) => {
      signalProcess(child.pid, signal);
    },
    stop: async (graceMs = GRACE_MS) => {
      if (running() && graceMs > 0) {
        signalProcess(child.pid, "SIGTERM");
        signalProcess(child.pid, "SIGCONT");
        await Promise.race([ended, Bun.sleep(graceMs)]);
      }
      killGroup(child.pid);
      started.delete(self);
      return exited;
    },
    cpuSeconds: () => Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1_000_000,
    output: all.text,
    stdout: out.text,
    stderr: err.text,
    waitForOutput: (pattern, deadlineMs) => matching(self, pattern, deadlineMs),
  };
  started.add(self);
  return self;
}

type BoundedText = { readonly add: (more: string) => void; readonly text: () => string };

function boundedText(): BoundedText {
  let held = "";
  return {
    add: (more) => {
      held = (held + more).slice(-OUTPUT_CHARS_MAX);
    },
    text: () => held,
  };
}

async function drain(
  stream: ReadableStream<Uint8Array>,
  into: readonly BoundedText[],
): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const more = decoder.decode(chunk, { stream: true });
    for (const text of into) text.add(more);
  }
}

async function matching(
  target: BedProcess,
  pattern: RegExp,
  deadlineMs: number,
): Promise<RegExpMatchArray> {
  const once = new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ""));
  const endsAt = performance.now() + deadlineMs;
  for (;;) {
    const running = target.running();
    const found = target.output().match(once);
    if (found !== null) return found;
    if (!running) {
      const exit = await target.exited;
      const late = target.output().match(once);
      if (late !== null) return late;
      throw missing(target, pattern, `it ended with ${exit.signal ?? exit.code}`);
    }
    if (performance.now() > endsAt) throw missing(target, pattern, `waited ${deadlineMs} ms`);
    await Bun.sleep(POLL_MS);
  }
}

function missing(target: BedProcess, pattern: RegExp, why: string): Error {
  const tail = target.output().split("\n").slice(-40).join("\n");
  return new Error(`${target.name} did not print ${pattern}: ${why}; it printed:\n${tail}`);
}
