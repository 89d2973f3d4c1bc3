/** From an environment to the running `sidecar broker`, its exec probes and `sidecar drain`: what main.ts hands over, put where it belongs. */
import { lookup } from "node:dns/promises";
import type { BuildInfo } from "../../shared/build-info.ts";
import type { Host } from "../../shared/config/host.ts";
import { secretValues } from "../../shared/config/secret.ts";
import type { Environment } from "../../shared/config/table.ts";
import type { ExitCode } from "../../shared/exit.ts";
import { openFiles } from "../../shared/linux/kernel-files.ts";
import { type Log, openLog } from "../../shared/log.ts";
import { err } from "../../shared/result.ts";
import { type BrokerOptions, runBroker } from "./broker.ts";
import { misconfiguration, readBrokerConfig, readShellConfig } from "./config.ts";
import { checkProbe, drainBroker, type ProbeClientOptions } from "./exec/probe.ts";
import { brokerIdOf } from "./topology.ts";

const NO_BROKER_ID = -1;

export type BrokerSurroundings = {
  readonly environment: Environment;
  readonly host: Host;
  readonly pid: number;
  readonly build: BuildInfo;
  /** One line of the log. */
  readonly write: (line: string) => void;
  /** One line of a command's answer. */
  readonly say: (line: string) => void;
  readonly nowMs: () => number;
  /** Since this process started. */
  readonly monotonicMs: () => number;
  readonly signal: AbortSignal;
};

export type BrokerRun =
  | { readonly command: "broker" | "check live" | "check ready" }
  | { readonly command: "drain"; readonly timeoutMs: number };

export function startBroker(run: BrokerRun, around: BrokerSurroundings): Promise<ExitCode> {
  const parts = partsOf(around);
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

function partsOf(around: BrokerSurroundings): BrokerOptions & ProbeClientOptions {
  const { environment, host, monotonicMs } = around;
  const shell = readShellConfig(environment, host);
  const config = readBrokerConfig(environment, host);
  const known = brokerIdOf(shell);
  const brokerId = known.ok ? known.value : NO_BROKER_ID;
  return {
    config: config.ok ? config : err({ brokerId, detail: misconfiguration(config.error) }),
    port: shell.port,
    files: openFiles(),
    ownPid: around.pid,
    ownAgeMs: monotonicMs,
    resolve: lookup,
    log: logOf(around, shell, config.ok ? secretValues(config.value) : () => []),
    say: around.say,
    monotonicMs,
    build: around.build,
    signal: around.signal,
  };
}

function logOf(
  { write, nowMs }: BrokerSurroundings,
  shell: ReturnType<typeof readShellConfig>,
  secrets: () => readonly string[],
): Log {
  const { logLevel: level, logFormat: format } = shell;
  return openLog({ level, format, write, nowMs, secrets }).with({ program: "broker" });
}
