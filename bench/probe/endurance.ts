/** Resident memory: idle, and after minutes of questions. */
import { figure } from "../figure.ts";
import { residentMb } from "../fleet/memory.ts";
import { ask } from "./ask.ts";
import { BENCH, type Sidecar } from "./stage.ts";

const AT_ONCE = 16;
const RSS_MAX_MB = 64;
const CALM_MS = 30_000;
/** 16 clients without a pause take the whole machine, and the rounds starve: that is no realistic load. */
const PAUSE_MS = 50;

export async function endurance(sidecar: Sidecar, minutes: number): Promise<void> {
  const { url, process } = sidecar;
  await tell("RSS before load", process.pid);
  const paths = ["live", "ready", "startup"].map((path) => `/health/${path}`);
  const urls = [...paths, "/metrics"].map((path) => `${url}${path}`);
  const load = await ask({
    urls,
    atOnce: AT_ONCE,
    seconds: minutes * 60,
    connections: "own",
    pauseMs: PAUSE_MS,
  });
  const bench = BENCH;
  const what = `load for ${minutes} min, 16 at once, all paths`;
  figure({ bench, figure: what, value: load.count / load.seconds, unit: "1/s" });
  const refused = `answers that were not 200 in ${load.count}`;
  figure({ bench, figure: refused, value: load.failed, unit: "", bar: { atMost: 0 } });
  await tell("RSS at the end of the load", process.pid);
  await Bun.sleep(CALM_MS);
  await tell("RSS after the load", process.pid);
}

async function tell(name: string, pid: number): Promise<void> {
  const value = await residentMb(pid);
  figure({ bench: BENCH, figure: name, value, unit: "MB", bar: { atMost: RSS_MAX_MB } });
}
