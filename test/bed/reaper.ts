/**
 * Ends what a test started, even if the test process itself was killed.
 *
 * A small shell in a session of its own reads lines from a pipe: what to kill and delete, and what no
 * longer. When the test process ends, in any way, the kernel closes the pipe, and the shell kills and
 * deletes what is left. Each started process waits for a line on its own stdin before it becomes the
 * program (by `exec`, so the pid is the program's own): the reaper knows it before it does anything, and a
 * parent that dies in between leaves nothing.
 */
import type { FileSink, Subprocess } from "bun";

const REAPER = `
awk '/^\\+/ { live[substr($0, 2)] = 1 }
     /^-/ { delete live[substr($0, 2)] }
     END { for (x in live) if (x ~ /^pid /) print x; for (x in live) if (x ~ /^dir /) print x }' |
while IFS= read -r line; do
  case $line in
    "pid "*) kill -KILL "-\${line#pid }" || kill -KILL "\${line#pid }" ;;
    "dir "*) for again in 1 2 3 4 5; do rm -rf -- "\${line#dir }" && break; sleep 0.2; done ;;
  esac
done 2>/dev/null`;

const GATE = 'IFS= read -r go && exec "$@"';

let pipe: FileSink | undefined;

function tell(line: string): void {
  if (pipe === undefined) {
    const reaper = Bun.spawn(["/bin/sh", "-c", REAPER, "outrider-bed-reaper"], {
      cwd: "/",
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      detached: true,
    });
    reaper.unref();
    pipe = reaper.stdin;
  }
  void pipe.write(`${line}\n`);
  void pipe.flush();
}

/** Deletes the directory when this process ends, unless `keepDirectory` is called before. */
export function reapDirectory(dir: string): void {
  tell(`+dir ${dir}`);
}

export function keepDirectory(dir: string): void {
  tell(`-dir ${dir}`);
}

/** A pipe to read from, or the descriptor of an open file. */
type ReapedOutput = "pipe" | number;

export type ReapedOptions<Out> = {
  readonly name: string;
  readonly command: readonly string[];
  /** The whole environment; by default that of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly output: Out;
};

/**
 * Starts a process, leader of its own group, that does not outlive this one. Its stdin is an open
 * pipe: end it if the program expects no input.
 */
export function spawnReaped<Out extends ReapedOutput>({
  name,
  command,
  env,
  cwd,
  output,
}: ReapedOptions<Out>): Subprocess<"pipe", Out, Out> {
  const child = Bun.spawn(["/bin/sh", "-c", GATE, name, ...command], {
    ...(env === undefined ? {} : { env: { ...env } }),
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "pipe",
    stdout: output,
    stderr: output,
    detached: true,
  });
  tell(`+pid ${child.pid}`);
  void child.stdin.write("go\n");
  void child.stdin.flush();
  void child.exited.then(() => {
    if (!groupLives(child.pid)) tell(`-pid ${child.pid}`);
  });
  return child;
}

/** Sends a signal to one process; `false` when it is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  return signalled(pid, signal);
}

/** Kills the rest of a process's group. */
export function killGroup(pid: number): void {
  signalled(-pid, "SIGKILL");
  tell(`-pid ${pid}`);
}

function groupLives(pid: number): boolean {
  return signalled(-pid, 0);
}

function signalled(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch {
    return false;
  }
}
