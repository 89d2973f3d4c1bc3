/**
 * The agent: reads command line and environment, constructs everything, and ends the process. The
 * order in which the long-running commands shut down is written in station.ts.
 */
import { writeSync } from "node:fs";
import { BUILD, versionLine } from "../shared/build-info.ts";
import { parseArguments } from "../shared/cli/arguments.ts";
import { openHost } from "../shared/config/host.ts";
import { type KafkaConfig, kafkaSettings } from "../shared/config/kafka.ts";
import { secretValues } from "../shared/config/secret.ts";
import { type Problem, problemText } from "../shared/config/table.ts";
import { EXIT } from "../shared/exit.ts";
import { checkKafka } from "../shared/kafka/check/check.ts";
import type { KafkaLog } from "../shared/kafka/cluster/client.ts";
import { openKafkaClient } from "../shared/kafka/cluster/client.ts";
import { openProducer } from "../shared/kafka/producer/producer.ts";
import { type Log, openLog } from "../shared/log.ts";
import { AGENT, type AgentRun } from "./commands.ts";
import { type AgentConfig, HOOK_MAX_MS, readAgentConfig, readCheckConfig } from "./config.ts";
import { runHeartbeat } from "./heartbeat/command.ts";
import { readInstallation } from "./installation.ts";
import { AGENT_NEEDS } from "./kafka-needs.ts";
import type { Identity } from "./records.ts";
import { lateOutcome, type Outcome, runHook, type Stage } from "./register/command.ts";
import { type FailurePolicy, unlessIgnored } from "./register/failure-policy.ts";
import type { Kafka } from "./registry.ts";

const STDOUT = 1;
const STDERR = 2;
/** Kept of HOOK_TIMEOUT for the last line and the process's end; a tenth where that is less. */
const RESERVE_MS = 500;

/** At once and whole, also when the process ends right after; nobody reading is not our trouble. */
function print(descriptor: number, line: string): void {
  try {
    writeSync(descriptor, `${line}\n`);
  } catch {
    // A closed pipe, or a full one that does not block.
  }
}

function end(outcome: Outcome): never {
  if (outcome.line !== undefined) {
    print(outcome.exit === EXIT.done ? STDOUT : STDERR, outcome.line);
  }
  process.exit(outcome.exit);
}

/** SIGTERM and SIGINT; the second one ends the process as it stands. */
function endSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(EXIT.unconfirmed);
      stop.abort();
    });
  }
  return stop.signal;
}

/** The answer of a hook is its line on standard output, so its log goes to standard error. */
function logTo(config: KafkaConfig, isHook: boolean): Log {
  return openLog(
    {
      level: config.logLevel,
      format: config.logFormat,
      write: isHook
        ? (line) => print(STDERR, line)
        : (line) => {
            process.stdout.write(`${line}\n`);
          },
      nowMs: Date.now,
      secrets: secretValues(config),
    },
    { program: "agent" },
  );
}

function catchDefects(log: Log): void {
  // Whoever read our log is gone: no reason to stop beating.
  process.stdout.on("error", () => {});
  const defect = (cause: unknown) => {
    log.error("a defect of the agent", { error: cause });
    process.exit(EXIT.defect);
  };
  process.on("uncaughtException", defect);
  process.on("unhandledRejection", defect);
}

function misconfigured(problems: readonly Problem[]): Outcome {
  const wrong = problems.map((problem) => `  ${problemText(problem)}`);
  return { exit: EXIT.configuration, line: ["wrong configuration:", ...wrong].join("\n") };
}

async function check(timeoutMs: number): Promise<Outcome> {
  const read = readCheckConfig(process.env, openHost());
  if (!read.ok) return misconfigured(read.error);
  const log = logTo(read.value, true);
  catchDefects(log);
  const exit = await checkKafka({
    settings: kafkaSettings(read.value, "outrider-agent-check"),
    program: "the agent",
    needs: () => AGENT_NEEDS,
    timeoutMs,
    say: (line) => print(STDOUT, line),
    log: (level, message, fields) => log[level](message, fields),
    signal: endSignal(),
  });
  return { exit, line: undefined };
}

type Announcing = Exclude<AgentRun, { readonly command: "check kafka" }>;

function run(command: Announcing): Outcome | Promise<Outcome> {
  const read = readAgentConfig(process.env, openHost());
  if (!read.ok) return misconfigured(read.error);
  const config = read.value;
  const isHook = command.command === "register" || command.command === "deregister";
  const log = logTo(config, isHook);
  catchDefects(log);
  const signal = endSignal();
  const kafkaLog: KafkaLog = (level, message, fields) => log[level](message, fields);
  const client = openKafkaClient(kafkaSettings(config, `outrider-agent-${config.clientId}`), {
    log: kafkaLog,
  });
  const producer = openProducer({ client, log: kafkaLog });
  const installation = readInstallation(config, command.command !== "deregister");
  if (installation.problem !== undefined) log.warn(installation.problem);
  const identity = { ...config, installationId: installation.id };
  const kafka: Kafka = { client, producer, warn: log.warn, debug: log.debug };
  if (command.command === "register" || command.command === "deregister") {
    const { command: action, waitMs, failurePolicy, force } = command;
    return hook(identity, { action, waitMs, failurePolicy, force, kafka, kafkaLog, signal });
  }
  return runHeartbeat({
    identity,
    instanceId: crypto.randomUUID(),
    registers: command.command === "run",
    deregisterOnExit: command.command === "run" && command.deregisterOnExit,
    kafka,
    port: config.port,
    build: BUILD,
    log,
    nowMs: Date.now,
    monotonicMs: () => performance.now(),
    random: Math.random,
    signal,
  });
}

async function start(command: AgentRun): Promise<Outcome> {
  if (command.command === "check kafka") return check(command.timeoutMs);
  const outcome = await run(command);
  return "failurePolicy" in command ? unlessIgnored(outcome, command.failurePolicy) : outcome;
}

type HookParts = {
  readonly action: "register" | "deregister";
  readonly waitMs: number | undefined;
  readonly failurePolicy: FailurePolicy;
  readonly force: boolean;
  readonly kafka: Kafka;
  readonly kafkaLog: KafkaLog;
  readonly signal: AbortSignal;
};

function hook(config: AgentConfig & Identity, parts: HookParts): Promise<Outcome> {
  const { hookTimeoutMs: timeoutMs } = config;
  // Counted from the start of the process, not from here.
  const leftMs = timeoutMs - performance.now();
  let stage: Stage = "reach";
  const { action, failurePolicy } = parts;
  const late = () =>
    end(
      unlessIgnored(lateOutcome({ action, identity: config, failurePolicy }, stage), failurePolicy),
    );
  setTimeout(late, Math.min(Math.max(1, leftMs), HOOK_MAX_MS));
  return runHook({
    action: parts.action,
    waitMs: parts.waitMs,
    failurePolicy: parts.failurePolicy,
    force: parts.force,
    identity: config,
    kafka: parts.kafka,
    log: parts.kafkaLog,
    brokers: config.kafkaBrokers,
    timeoutMs,
    budgetMs: Math.max(1, leftMs - Math.min(RESERVE_MS, timeoutMs / 10)),
    nowMs: Date.now,
    signal: parts.signal,
    came: (next) => {
      stage = next;
    },
  });
}

function outcomeOf(words: readonly string[]): Outcome | Promise<Outcome> {
  const invocation = parseArguments(AGENT, words);
  if (!invocation.ok) return { exit: EXIT.configuration, line: invocation.error };
  switch (invocation.value.kind) {
    case "help":
      return { exit: EXIT.done, line: invocation.value.text };
    case "version":
      return { exit: EXIT.done, line: versionLine(AGENT.name, BUILD) };
    case "run":
      return start(invocation.value.run);
  }
}

end(await outcomeOf(process.argv.slice(2)));
