/** From an environment to a running command of the agent: configuration, log and Kafka client first. */
import { openCommandLog } from "../shared/cli/log.ts";
import { configured, problemsText, type Shell } from "../shared/cli/shell.ts";
import { type KafkaConfig, kafkaSettings } from "../shared/config/kafka.ts";
import { EXIT, type ExitCode } from "../shared/exit.ts";
import { checkKafka } from "../shared/kafka/check/check.ts";
import { openKafkaClient } from "../shared/kafka/cluster/client.ts";
import { kafkaLog } from "../shared/kafka/log.ts";
import { openProducer } from "../shared/kafka/producer/producer.ts";
import type { Log } from "../shared/log.ts";
import { openProcessMetrics } from "../shared/process-metrics.ts";
import { openCollect, runCollect } from "./collect/command.ts";
import type { CollectCommandConfig } from "./collect/config.ts";
import { collectRoutes } from "./collect/routes.ts";
import type { AgentRun } from "./commands.ts";
import {
  type AgentConfig,
  HOOK_MAX_MS,
  readAgentConfig,
  readCheckConfig,
  readCollectConfig,
} from "./config.ts";
import { runHeartbeat } from "./heartbeat/command.ts";
import { readInstallation } from "./installation.ts";
import { AGENT_NEEDS } from "./kafka-needs.ts";
import type { CommandOutcome } from "./outcome.ts";
import type { Identity } from "./records.ts";
import { lateOutcome, runHook, type Stage } from "./register/command.ts";
import { unlessIgnored } from "./register/failure-policy.ts";
import type { Kafka } from "./registry.ts";

/** Reserved from HOOK_TIMEOUT for the last line and the process's end; at most a tenth of it. */
const RESERVE_MS = 500;

type CheckRun = Extract<AgentRun, { readonly command: "check kafka" }>;
type HookRun = Extract<AgentRun, { readonly command: "register" | "deregister" }>;
type CollectRun = Extract<AgentRun, { readonly command: "collect" }>;
type HeartbeatRun = Exclude<AgentRun, CheckRun | HookRun | CollectRun>;

export async function startAgent(run: AgentRun, shell: Shell): Promise<ExitCode> {
  switch (run.command) {
    case "check kafka":
      return await configured(shell, readCheckConfig(shell.environment, shell.host), (config) =>
        check(run, config, shell),
      );
    case "collect":
      return await configured(shell, readCollectConfig(shell.environment, shell.host), (config) =>
        collect(run, config, shell),
      );
    case "register":
    case "deregister":
      return report(shell, unlessIgnored(await hook(run, shell), run.failurePolicy));
    case "heartbeat":
    case "run":
      return await configured(shell, readAgentConfig(shell.environment, shell.host), (config) =>
        heartbeat(run, config, shell),
      );
  }
}

/** A command's answer is a line on standard output; an error goes to standard error. */
function report({ say, complain }: Shell, { exit, line }: CommandOutcome): ExitCode {
  if (line !== undefined) (exit === EXIT.done ? say : complain)(line);
  return exit;
}

const logTo = (shell: Shell, config: KafkaConfig, to: "stdout" | "stderr"): Log =>
  openCommandLog(shell, config, to).with({ program: "agent" });

const check = ({ timeoutMs }: CheckRun, config: KafkaConfig, shell: Shell): Promise<ExitCode> =>
  checkKafka({
    settings: kafkaSettings(config, "outrider-agent-check"),
    program: "the agent",
    needs: () => AGENT_NEEDS,
    timeoutMs,
    say: shell.say,
    log: kafkaLog(logTo(shell, config, "stderr")),
    signal: shell.signal,
  });

/** A command that withdraws creates no installation id. */
function identityOf(config: AgentConfig, { command }: HookRun | HeartbeatRun, log: Log): Identity {
  const { id, problem } = readInstallation(config, command !== "deregister");
  if (problem !== undefined) log.warn(problem);
  return { ...config, installationId: id };
}

function openKafka(config: AgentConfig, log: Log): Kafka {
  const settings = kafkaSettings(config, `outrider-agent-${config.clientId}`);
  const client = openKafkaClient(settings, { log: kafkaLog(log) });
  const producer = openProducer({ client, log: kafkaLog(log) });
  return { client, producer, warn: log.warn, debug: log.debug };
}

async function heartbeat(run: HeartbeatRun, config: AgentConfig, shell: Shell): Promise<ExitCode> {
  // Standard output of a daemon is its log.
  const log = logTo(shell, config, "stdout");
  const metrics = openProcessMetrics();
  const { clientId } = config;
  const beside = { ...shell, clientId, config, metrics, log, mode: "watch" } as const;
  const collector = config.collect === "watch" ? openCollect(beside) : undefined;
  if (collector?.ok === false) {
    return report(shell, { exit: EXIT.configuration, line: collector.error });
  }
  const outcome = await runHeartbeat({
    metrics,
    collector: collector?.value,
    moreRoutes: collector === undefined ? undefined : collectRoutes(collector.value),
    identity: identityOf(config, run, log),
    instanceId: crypto.randomUUID(),
    registers: run.command === "run",
    reRegister: run.command === "run" && run.reRegister,
    deregisterOnExit: run.command === "run" && run.deregisterOnExit,
    kafka: openKafka(config, log),
    port: config.port,
    build: shell.build,
    log,
    clock: shell.clock,
    signal: shell.signal,
  });
  return report(shell, outcome);
}

async function collect(
  { mode, timeoutMs }: CollectRun,
  config: CollectCommandConfig,
  shell: Shell,
): Promise<ExitCode> {
  const log = logTo(shell, config, mode === "once" ? "stderr" : "stdout");
  const { clientId, port } = config;
  return report(
    shell,
    await runCollect({ ...shell, clientId, config, port, mode, timeoutMs, log }),
  );
}

/** HOOK_TIMEOUT limits the whole process, counted from its start. */
async function hook(run: HookRun, shell: Shell): Promise<CommandOutcome> {
  const read = readAgentConfig(shell.environment, shell.host);
  if (!read.ok) return { exit: EXIT.configuration, line: problemsText(read.error) };
  const config = read.value;
  const log = logTo(shell, config, "stderr");
  const identity = identityOf(config, run, log);
  const { command: action, waitMs, failurePolicy, force } = run;
  const { hookTimeoutMs: timeoutMs } = config;
  const leftMs = timeoutMs - shell.clock.monotonicMs();
  let stage: Stage = "reach";
  const late = () => {
    const outcome = lateOutcome({ action, identity, failurePolicy }, stage);
    shell.exit(report(shell, unlessIgnored(outcome, failurePolicy)));
  };
  setTimeout(late, Math.min(Math.max(1, leftMs), HOOK_MAX_MS));
  return await runHook({
    action,
    waitMs,
    failurePolicy,
    force,
    identity,
    kafka: openKafka(config, log),
    log: kafkaLog(log),
    brokers: config.kafkaBrokers,
    timeoutMs,
    budgetMs: Math.max(1, leftMs - Math.min(RESERVE_MS, timeoutMs / 10)),
    clock: shell.clock,
    signal: shell.signal,
    came: (next) => {
      stage = next;
    },
  });
}
