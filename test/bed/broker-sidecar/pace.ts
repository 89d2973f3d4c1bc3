/** How fast this machine answers at all: a process that does nothing else, watched as a probe is. */
import { until } from "../condition.ts";
import { type BedProcess, startProcess } from "../process.ts";
import { type Probed, parseProbe } from "./answer.ts";
import { openWatch, type Watch } from "./watch.ts";

const EVERY_MS = 5;
/** An answer of a probe takes a few turns on a CPU. */
const TURNS = 3;

const STARTED_MS = 15_000;
const ANSWER_MS = 5_000;
const BODY = { status: "healthy", brokerId: 0, checks: [], ageMs: null };
const SERVER = `const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(${JSON.stringify(BODY)}) });
console.log("port " + server.port);`;

export type Pace = {
  /** @returns what an answer may take beyond its own time: there was no CPU for it */
  readonly stop: () => Promise<{ readonly p99Ms: number; readonly worstMs: number }>;
};

/** As the machine itself is watched. */
export const watchClosely = (ask: () => Promise<Probed>): Watch =>
  openWatch(ask, { everyMs: EVERY_MS });

export async function openPace(): Promise<Pace> {
  const server = startProcess({
    name: "pace",
    command: [process.execPath, "-e", SERVER],
    env: { PATH: "/usr/bin:/bin" },
  });
  const port = await portOf(server);
  const watch = watchClosely(async () => {
    const atMs = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const json: unknown = await answer.json();
    return parseProbe(answer.status, json, atMs, performance.now() - atMs);
  });
  return {
    stop: async () => {
      const { p99Ms, worstMs } = await watch.stop();
      await server.stop(0);
      return { p99Ms: TURNS * p99Ms, worstMs };
    },
  };
}

const portOf = (server: BedProcess): Promise<string> =>
  until("its port", () => /port (\d+)/u.exec(server.output())?.[1], { deadlineMs: STARTED_MS });
