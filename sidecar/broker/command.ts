/** From an environment to the running `sidecar broker`, its exec probes and `sidecar drain`. */
import { lookup } from "node:dns/promises";
import type { Shell } from "../../shared/cli/shell.ts";
import { secretValues } from "../../shared/config/secret.ts";
import type { ExitCode } from "../../shared/exit.ts";
import { openFiles } from "../../shared/linux/kernel-files.ts";
import { type Log, openLog } from "../../shared/log.ts";
import { err } from "../../shared/result.ts";
import { type BrokerOptions, runBroker } from "./broker.ts";
import { misconfiguration, readBrokerConfig, readShellConfig } from "./config.ts";
import { checkProbe, drainBroker, type ProbeClientOptions } from "./exec/probe.ts";
import { brokerIdOf } from "./topology.ts";

const NO_BROKER_ID = -1;

export type BrokerRun =
  | { readonly command: "broker" | "check live" | "check ready" }
  | { readonly command: "drain"; readonly timeoutMs: number };

export function startBroker(run: BrokerRun, shell: Shell): Promise<ExitCode> {
  const parts = partsOf(shell);
  switch (run.command) {
    case "broker":
      return runBroker(parts);
    case "check live":
      return checkProbe("live", parts);
    case "check ready":
      return checkProbe("ready", parts);
    case "drain":
      return drainBroker(run.timeoutMs, parts);
  }
}

function partsOf(shell: Shell): BrokerOptions & ProbeClientOptions {
  const { environment, host, clock } = shell;
  const own = readShellConfig(environment, host);
  const config = readBrokerConfig(environment, host);
  const known = brokerIdOf(own);
  const brokerId = known.ok ? known.value : NO_BROKER_ID;
  return {
    config: config.ok ? config : err({ brokerId, detail: misconfiguration(config.error) }),
    port: own.port,
    files: openFiles(),
    ownPid: shell.pid,
    ownAgeMs: clock.monotonicMs,
    resolve: lookup,
    log: logOf(shell, own, config.ok ? secretValues(config.value) : () => []),
    say: shell.say,
    clock,
    build: shell.build,
    signal: shell.signal,
  };
}

function logOf(
  shell: Shell,
  own: ReturnType<typeof readShellConfig>,
  secrets: () => readonly string[],
): Log {
  const { logLevel: level, logFormat: format } = own;
  const write = (line: string) => shell.write("stderr", line);
  return openLog({ level, format, write, clock: shell.clock, secrets }).with({ program: "broker" });
}
