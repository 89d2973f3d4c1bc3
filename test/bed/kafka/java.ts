/** Runs one class of Kafka's jars to its end, with a deadline. */
import { killGroup, spawnReaped } from "../reaper.ts";
import { sharedClasses } from "./class-archive.ts";

const TOOL_FLAGS = [
  "-Xmx256m",
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-Dfile.encoding=UTF-8",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
] as const;
const DEADLINE_MS = 60_000;

export type JavaOptions = {
  readonly libs: string;
  readonly className: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly deadlineMs?: number;
};

export type JavaResult = { readonly stdout: string; readonly stderr: string };

export function toolCommand({ libs, className, args }: JavaOptions): readonly string[] {
  const flags = [...TOOL_FLAGS, ...sharedClasses(libs)];
  return ["java", ...flags, "-cp", `${libs}/*`, className, ...args];
}

/** @throws Error with all the output when the exit code is not 0 or the deadline passes. */
export async function runJava(options: JavaOptions): Promise<JavaResult> {
  const { className, args, deadlineMs = DEADLINE_MS } = options;
  const child = spawnReaped({
    name: className,
    command: toolCommand(options),
    output: "pipe",
  });
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    killGroup(child.pid);
  }, deadlineMs);
  try {
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
      feed(child.stdin, options.stdin),
    ]);
    if (late || code !== 0) {
      const why = late ? `was killed after ${deadlineMs} ms` : `ended with ${code}`;
      throw new Error(`${className} ${args.join(" ")}: ${why}\n${stdout}\n${stderr}`);
    }
    return { stdout, stderr };
  } finally {
    clearTimeout(deadline);
  }
}

/** If a tool ends before it has read everything, its exit code shows that, not this. */
async function feed(recorder: Bun.FileSink, text: string | undefined): Promise<void> {
  try {
    if (text !== undefined) await recorder.write(text);
    await recorder.end();
  } catch {
    // The pipe was closed from the other end.
  }
}
