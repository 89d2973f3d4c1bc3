/**
 * The workers of a fleet as the kernel sees them, recognised by the labels in their environment. They are
 * in sessions of their own and outlive a control plane, so a test must end them, even when it dies.
 */
import { readdirSync, readFileSync } from "node:fs";

export type LiveWorker = {
  readonly pid: number;
  readonly clientId: string;
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
};

/** Processes that carry `OUTRIDER_FLEET=<fleet>`; zombies are left out (their environment is empty). */
export function liveWorkers(fleet: string): readonly LiveWorker[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/u.test(entry))
    .flatMap((entry) => {
      const environment = environmentOf(Number(entry));
      const clientId = environment["OUTRIDER_CLIENT_ID"];
      if (environment["OUTRIDER_FLEET"] !== fleet || clientId === undefined) return [];
      return [{ pid: Number(entry), clientId, name: `kg-graph-builder-${clientId}`, environment }];
    })
    .sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
}

function environmentOf(pid: number): Record<string, string> {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return Object.fromEntries(entries.map((entry) => splitAt(entry, entry.indexOf("="))));
  } catch {
    return {};
  }
}

const splitAt = (text: string, at: number): [string, string] => [
  text.slice(0, Math.max(0, at)),
  text.slice(at + 1),
];

/** Ends all workers of a fleet, by pid. */
export function killWorkers(fleet: string): void {
  for (const { pid } of liveWorkers(fleet)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** At the end of its standard input (at the latest when we die) it kills all processes with the label. */
const GUARD = `cat >/dev/null
for p in /proc/[0-9]*; do
  if tr '\\0' '\\n' <"$p/environ" 2>/dev/null | grep -qxF "OUTRIDER_FLEET=$1"; then
    kill -9 "\${p#/proc/}" 2>/dev/null
  fi
done`;

/** Kills the fleet's workers when this process ends, however it ends. Returns a function that ends the guard. */
export function guardWorkers(fleet: string): () => Promise<void> {
  const guard = Bun.spawn(["setsid", "/bin/sh", "-c", GUARD, "guard", fleet], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  return async () => {
    await guard.stdin.end();
    await guard.exited;
  };
}
