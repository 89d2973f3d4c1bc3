/**
 * `sidecar check live`, `sidecar check ready` and `sidecar drain`, for exec probes and hooks: they ask the
 * running sidecar, and check the broker themselves if none runs. One line has the result; the exit code is
 * 0 only for "yes".
 */
import { sleep } from "../../../shared/clock.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import type { Result } from "../../../shared/result.ts";
import type { Misconfigured } from "../broker.ts";
import type { BrokerConfig } from "../config.ts";
import { drain } from "../drain.ts";
import { type MonitorOptions, openMonitor } from "../monitor.ts";
import { outcomeOf, probeStatus } from "../probe/status.ts";
import { type Drained, type RunningSidecar, runningSidecar } from "./sidecar-client.ts";

const LOOKS_MAX = 2;

export type ProbeClientOptions = Omit<MonitorOptions, "config" | "clientId" | "onRound"> & {
  readonly config: Result<BrokerConfig, Misconfigured>;
  /** The port of a running sidecar; 0: it listens on an unknown one. */
  readonly port: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
};

type Probed = { readonly healthy: boolean; readonly error?: string | undefined };

export async function checkProbe(
  gate: "live" | "ready",
  options: ProbeClientOptions,
): Promise<ExitCode> {
  const { config, port, say } = options;
  const seen = port === 0 ? undefined : await running(options).probe(gate);
  if (seen !== undefined) {
    return tellProbe(say, gate, { healthy: seen.status === "healthy", error: seen.error });
  }
  if (config.ok) return tellProbe(say, gate, await lookUp(gate, options, config.value));
  say(`${gate}: not looked: ${config.error.detail}`);
  // A fault of ours is no reason to restart Kafka.
  return gate === "live" ? EXIT.done : EXIT.configuration;
}

const running = ({ port, config }: ProbeClientOptions): RunningSidecar =>
  runningSidecar(port, config.ok ? config.value.topology.brokerId : config.error.brokerId);

function tellProbe(
  say: (line: string) => void,
  gate: string,
  { healthy, error = "" }: Probed,
): ExitCode {
  say(healthy ? `${gate}: healthy` : `${gate}: unhealthy: ${error}`);
  return healthy ? EXIT.done : EXIT.unavailable;
}

/** The second round shows progress since the first: a silent Kafka that recovers its logs is not dead. */
async function lookUp(
  gate: "live" | "ready",
  options: ProbeClientOptions,
  config: BrokerConfig,
): Promise<Probed> {
  // Without memory of earlier rounds it is not known when a silent broker's turn comes, and the kubelet
  // would wait for ever.
  const alone = { ...config, livenessBrakeMs: 0, isOneOff: true };
  const look = { ...options, config: alone, clientId: "outrider-check", onRound: () => {} };
  const probe = openMonitor(look);
  let outcome: Probed | undefined;
  for (let looks = 0; looks < LOOKS_MAX && outcome?.healthy !== true; looks += 1) {
    await probe.rounds.once(options.signal);
    outcome = outcomeOf(gate, probeStatus(probe.readings), probe.readings);
  }
  probe.close();
  return outcome ?? { healthy: false };
}

export async function drainBroker(
  timeoutMs: number,
  options: ProbeClientOptions,
): Promise<ExitCode> {
  const { config, port, say, signal } = options;
  const asked = port === 0 ? undefined : await running(options).drain(timeoutMs, signal);
  if (asked !== undefined) return tellDrain(say, asked);
  if (config.ok) return tellDrain(say, await drainAlone(timeoutMs, options, config.value));
  say(`not drained: ${config.error.detail}`);
  return EXIT.configuration;
}

async function drainAlone(
  timeoutMs: number,
  options: ProbeClientOptions,
  config: BrokerConfig,
): Promise<Drained> {
  const { log, signal } = options;
  const probe = openMonitor({ ...options, config, clientId: "outrider-drain", onRound: () => {} });
  const ended = new AbortController();
  const rounds = probe.rounds.run(AbortSignal.any([ended.signal, signal]));
  const { readings } = probe;
  const drained = await drain(timeoutMs, signal, { readings, sleep, stopping: signal, log });
  ended.abort();
  await rounds;
  probe.close();
  return drained;
}

function tellDrain(
  say: (line: string) => void,
  { safe, ending, waitedMs, error = ending }: Drained,
): ExitCode {
  const waited = `waited ${(waitedMs / 1000).toFixed(1)} s`;
  say(safe ? `safe to stop (${waited})` : `not safe to stop (${waited}): ${error}`);
  return safe ? EXIT.done : EXIT.unconfirmed;
}
