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
  const label = `OUTRIDER_FLEET=${fleet}`;
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/u.test(entry))
    .flatMap((entry) => {
      const variables = variablesOf(Number(entry));
      if (!variables.includes(label)) return [];
      const environment = Object.fromEntries(
        variables.map((each) => splitAt(each, each.indexOf("="))),
      );
      const clientId = environment["OUTRIDER_CLIENT_ID"];
      if (clientId === undefined) return [];
      return [{ pid: Number(entry), clientId, name: `kg-graph-builder-${clientId}`, environment }];
    })
    .sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
}

function variablesOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
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
grep -lszxF "OUTRIDER_FLEET=$1" /proc/[0-9]*/environ |
while IFS=/ read -r _ _ pid _; do kill -9 "$pid" 2>/dev/null; done`;

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
