/**
 * Asks a URL over and over, from a process of its own: `load.ts <url,…> <at once> <seconds> <own|kept>
 * <pause ms>`; the pause is before each client's next question. `own`: a new connection for each question,
 * like the kubelet; `kept`: one per client, kept open. Prints `{"count", "failed", "refused", "seconds",
 * "p50", "p99"}`, times in ms.
 */
import { quantile } from "../figure.ts";

const [urls = "", atOnceText = "1", secondsText = "1", connections = "own", pauseText = "0"] =
  process.argv.slice(2);
const targets = urls.split(",");
const atOnce = Number(atOnceText);
const pauseMs = Number(pauseText);
const headers = connections === "own" ? { connection: "close" } : {};
/** The most times that are kept: quantiles of this many are exact enough. */
const SAMPLES_MAX = 200_000;
/** Until code and connections are warm. */
const WARM_MS = 1000;

const times: number[] = [];
let count = 0;
let failed = 0;
/** The last one, for the report. */
let refused = "";
const beginsMs = performance.now() + WARM_MS;
const endsMs = beginsMs + Number(secondsText) * 1000;

async function ask(asker: number): Promise<void> {
  for (let turn = asker; performance.now() < endsMs; turn += 1) {
    const sinceMs = performance.now();
    const answer = await fetch(targets[turn % targets.length] ?? "", {
      headers,
      keepalive: connections === "kept",
    });
    const body = await answer.text();
    const nowMs = performance.now();
    if (pauseMs > 0) await Bun.sleep(pauseMs);
    if (sinceMs < beginsMs) continue;
    count += 1;
    if (answer.status !== 200) {
      failed += 1;
      refused = `${answer.status} of ${answer.url}: ${body}`;
    }
    if (times.length < SAMPLES_MAX) times.push(nowMs - sinceMs);
  }
}

await Promise.all(Array.from({ length: atOnce }, (_, asker) => ask(asker)));
const seconds = (performance.now() - beginsMs) / 1000;
const p50 = quantile(times, 0.5);
const p99 = quantile(times, 0.99);
process.stdout.write(`${JSON.stringify({ count, failed, refused, seconds, p50, p99 })}\n`);
