/** `sidecar check kafka`: each role's own configuration, and what that role needs of Kafka. */

import type { Host } from "../shared/config/host.ts";
import { type KafkaConfig, kafkaSettings } from "../shared/config/kafka.ts";
import { type Environment, type Problem, problemText } from "../shared/config/table.ts";
import { EXIT, type ExitCode } from "../shared/exit.ts";
import { type CheckOptions, checkKafka } from "../shared/kafka/check/check.ts";
import { addressText } from "../shared/kafka/settings.ts";
import { ok, type Result } from "../shared/result.ts";
import { readBrokerConfig } from "./broker/config.ts";
import { readOperatorConfig } from "./control-plane/config.ts";
import { BROKER_NEEDS, controlPlaneNeeds, WORKER_NEEDS } from "./control-plane/kafka-needs.ts";

const CLIENT_ID = "outrider-check";

/** Whose way to Kafka is checked. */
export const ROLES = ["control-plane", "worker", "broker"] as const;
export type Role = (typeof ROLES)[number];

export type CheckRun = {
  readonly command: "check kafka";
  readonly role: Role;
  readonly timeoutMs: number;
};

export type CheckSurroundings = {
  readonly environment: Environment;
  readonly host: Host;
  readonly say: (line: string) => void;
  readonly complain: (line: string) => void;
  readonly logOf: (config: KafkaConfig) => CheckOptions["log"];
  readonly signal: AbortSignal;
};

type Selection = Pick<CheckOptions, "program" | "needs"> & { readonly config: KafkaConfig };

export function startCheck(
  { role, timeoutMs }: CheckRun,
  around: CheckSurroundings,
): Promise<ExitCode> {
  const selection = selectionOf(role, around);
  if (!selection.ok) {
    around.complain(`${selection.error.length} configuration errors:`);
    for (const problem of selection.error) around.complain(`  ${problemText(problem)}`);
    return Promise.resolve(EXIT.configuration);
  }
  const { config, program, needs } = selection.value;
  return checkKafka({
    settings: kafkaSettings(config, CLIENT_ID),
    log: around.logOf(config),
    ...{ program, needs, timeoutMs, say: around.say, signal: around.signal },
  });
}

function selectionOf(
  role: Role,
  { environment, host }: CheckSurroundings,
): Result<Selection, readonly Problem[]> {
  if (role === "broker") return brokerSelection(environment, host);
  const read = readOperatorConfig(environment, host);
  if (!read.ok) return read;
  const config = read.value;
  return ok(
    role === "worker"
      ? { config, program: "a worker", needs: () => WORKER_NEEDS }
      : {
          config,
          program: "the control plane",
          needs: (clusterId: string) => controlPlaneNeeds(config.fleet ?? clusterId),
        },
  );
}

/**
 * By the replica's name where it is known: its certificate carries that name, not the loopback address by
 * which the sidecar itself asks.
 */
function brokerSelection(
  environment: Environment,
  host: Host,
): Result<Selection, readonly Problem[]> {
  const read = readBrokerConfig(environment, host);
  if (!read.ok) return read;
  const { local, replicaName, others } = read.value.topology;
  const own = addressText(replicaName === undefined ? local : { ...local, host: replicaName });
  const config = { ...read.value, kafkaBrokers: [own, ...others] };
  return ok({ config, program: "the broker sidecar", needs: () => BROKER_NEEDS });
}
