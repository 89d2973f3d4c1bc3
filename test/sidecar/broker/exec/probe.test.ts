/** `sidecar check` where no sidecar runs: what it finds by itself, and that no brake holds it. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { EXIT } from "../../../../shared/exit.ts";
import { openLog } from "../../../../shared/log.ts";
import { readBrokerConfig } from "../../../../sidecar/broker/config.ts";
import { checkProbe } from "../../../../sidecar/broker/exec/probe.ts";
import { clockOf } from "../../../clock.ts";
import { fixedHost } from "../../../shared/config/fixed-host.ts";
import { filesFrom } from "../process/recorded-files.ts";

const LOOPBACK = "127.0.0.1";
/** What a look at the clock costs here: about as long as real time, and never late on a busy machine. */
const CLOCK_STEP_MS = 10;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function mute(): string {
  const server = Bun.listen({ hostname: LOOPBACK, port: 0, socket: { data: () => {} } });
  closing.push(() => server.stop(true));
  return `${LOOPBACK}:${server.port}`;
}

test("a silent broker is told dead, also while all others are silent: it remembers nothing that could say when its turn is", async () => {
  const brokers = [mute(), mute(), mute()];
  const environment = {
    BROKER_ID: "1",
    CHECK_TIMEOUT: "300ms",
    LOCAL_BROKER: brokers[1] ?? "",
    BOOTSTRAP_SERVERS: brokers.join(","),
  };
  const config = readBrokerConfig(environment, fixedHost({}));
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  const said: string[] = [];
  let nowMs = 0;
  const code = await checkProbe("live", {
    ...{ config, port: 0, files: filesFrom(() => ({})), ownPid: process.pid, ownAgeMs: () => 1 },
    resolve: () => Promise.resolve(),
    log: openLog({
      ...{ level: "error", format: "text", clock: systemClock, secrets: () => [] },
      write: (line) => said.push(line),
    }),
    clock: clockOf({
      monotonicMs: () => {
        nowMs += CLOCK_STEP_MS;
        return nowMs;
      },
    }),
    say: (line) => said.push(line),
    signal: new AbortController().signal,
  });
  expect(code).toBe(EXIT.unavailable);
  expect(said.at(-1)).toContain("silent");
});
