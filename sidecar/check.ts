/** `sidecar check kafka`: each role's own configuration, and what that role needs of Kafka. */

import { openCommandLog } from "../shared/cli/log.ts";
import { configured, type Shell } from "../shared/cli/shell.ts";
import type { Host } from "../shared/config/host.ts";
import { type KafkaConfig, kafkaSettings } from "../shared/config/kafka.ts";
import type { Environment, Problem } from "../shared/config/table.ts";
import type { ExitCode } from "../shared/exit.ts";
import { type CheckOptions, checkKafka } from "../shared/kafka/check/check.ts";
import { kafkaLog } from "../shared/kafka/log.ts";
import { addressText } from "../shared/kafka/settings.ts";
import { ok, type Result } from "../shared/result.ts";
import { readBrokerConfig } from "./broker/config.ts";
import { BROKER_NEEDS } from "./broker/kafka-needs.ts";
import { readFleetConfig } from "./control-plane/config.ts";
import { controlPlaneNeeds, WORKER_NEEDS } from "./control-plane/kafka-needs.ts";
import { identityOf } from "./control-plane/leader/identity.ts";

const CLIENT_ID = "outrider-check";

/** The program whose way to Kafka is checked. */
export const ROLES = ["control-plane", "worker", "broker"] as const;
export type Role = (typeof ROLES)[number];

export type CheckRun = {
  readonly command: "check kafka";
  readonly role: Role;
  readonly timeoutMs: number;
};

type Selection = Pick<CheckOptions, "program" | "needs"> & { readonly config: KafkaConfig };

export const startCheck = ({ role, timeoutMs }: CheckRun, shell: Shell): Promise<ExitCode> =>
  configured(shell, selectionOf(role, shell), ({ config, program, needs }) => {
    const log = openCommandLog(shell, config, "stderr");
    return checkKafka({
      settings: kafkaSettings(config, CLIENT_ID),
      log: kafkaLog(log),
      ...{ program, needs, timeoutMs, say: shell.say, signal: shell.signal },
    });
  });

function selectionOf(
  role: Role,
  { environment, host }: Pick<Shell, "environment" | "host">,
): Result<Selection, readonly Problem[]> {
  if (role === "broker") return brokerSelection(environment, host);
  const read = readFleetConfig(environment, host);
  if (!read.ok) return read;
  const config = read.value;
  return ok(
    role === "worker"
      ? { config, program: "a worker", needs: () => WORKER_NEEDS }
      : {
          config,
          program: "the control plane",
          needs: (clusterId: string) =>
            controlPlaneNeeds(clusterId, identityOf(config.fleet, config.fleetAliases, clusterId)),
        },
  );
}

/**
 * Uses the replica's name if it is known: the certificate has that name, not the loopback address to which
 * the sidecar itself connects.
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
