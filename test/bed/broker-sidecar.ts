/** Broker sidecars under test: the compiled binary beside each node of a test Kafka, as in a pod. */
import { binaries } from "./binaries.ts";
import { probeText } from "./broker-sidecar/answer.ts";
import { SEEN_MS, type Sidecar, sidecarAt, toldBy } from "./broker-sidecar/sidecar.ts";
import { until } from "./condition.ts";
import type { Broker } from "./kafka/broker.ts";
import type { KafkaUser, ListenerName } from "./kafka/config.ts";
import type { KafkaBed } from "./kafka/kafka.ts";
import { freePort } from "./port.ts";
import { type BedProcess, startProcess } from "./process.ts";

type Env = Readonly<Record<string, string>>;

/** Short, but long enough for a broker on a busy machine to answer in. */
const INTERVAL_MS = 1000;
const STARTED_MS = 15_000;
const OUTPUT_LINES = 30;

export type SidecarsOptions = {
  /** By default PLAINTEXT. */
  readonly listener?: ListenerName;
  readonly user?: KafkaUser;
  /** PROBE_INTERVAL. */
  readonly intervalMs?: number;
  readonly env?: Env;
  /** Node ids that get a sidecar; by default all. */
  readonly nodes?: readonly number[];
};

export type Sidecars = {
  readonly all: readonly Sidecar[];
  readonly of: (id: number) => Sidecar;
  /** Opens one more, which ends with the others, beside the node with this id. */
  readonly start: (id: number, options?: Omit<SidecarsOptions, "nodes">) => Promise<Sidecar>;
  /** Runs a command of the sidecar to its end, with a node's environment. */
  readonly run: (
    args: readonly string[],
    env: Env,
  ) => Promise<{ readonly code: number | null; readonly output: string }>;
  /** Waits until all are ready and stopping any one node is safe. */
  readonly settled: (deadlineMs?: number) => Promise<void>;
  /** The present answers and last output of each, for a failed test. */
  readonly told: () => Promise<string>;
  readonly close: () => Promise<void>;
};

export async function openSidecars(
  kafka: KafkaBed,
  options: SidecarsOptions = {},
): Promise<Sidecars> {
  const { sidecar: binary } = await binaries();
  const processes: BedProcess[] = [];
  const extra: Sidecar[] = [];
  const start: Sidecars["start"] = async (id, more = {}) => {
    const own = await startSidecar(binary, kafka, kafka.broker(id), { ...options, ...more });
    processes.push(own.process);
    extra.push(own);
    return own;
  };
  const ids =
    options.nodes ?? [...kafka.brokers, ...kafka.controllers].map((each: Broker) => each.id);
  const all = await Promise.all(ids.map((id) => start(id)));
  return {
    all,
    of: (id) => {
      const found = all.find((each) => each.id === id);
      if (found === undefined) throw new Error(`no sidecar was opened for node ${id}`);
      return found;
    },
    start,
    run: async (args, env) => {
      const own = startProcess({ name: "sidecar", command: [binary, ...args], env });
      processes.push(own);
      const { code } = await own.exited;
      return { code, output: own.output() };
    },
    settled: async (deadlineMs = SEEN_MS) => {
      const sinceMs = performance.now();
      for (const each of all) await settledOne(each, sinceMs, deadlineMs);
    },
    told: async () => {
      const texts = extra.map(async (each) => {
        const lines = each.process.output().trimEnd().split("\n").slice(-OUTPUT_LINES);
        const head = `--- sidecar ${each.id} (pid ${each.process.pid})`;
        return [head, await toldBy(each), ...lines].join("\n");
      });
      return (await Promise.all(texts)).join("\n");
    },
    close: async () => {
      await Promise.all(processes.map((each) => each.stop()));
    },
  };
}

async function settledOne(sidecar: Sidecar, sinceMs: number, deadlineMs: number): Promise<void> {
  await until(
    `sidecar ${sidecar.id} to be ready and its node safe to stop`,
    async () => {
      const [ready, safe] = await Promise.all([sidecar.ready(), sidecar.restartSafe()]);
      for (const each of [ready, safe]) {
        if (each.code !== 200 || (each.roundMs ?? 0) < sinceMs) throw new Error(probeText(each));
      }
      return true;
    },
    { deadlineMs },
  );
}

async function startSidecar(
  binary: string,
  kafka: KafkaBed,
  node: Broker,
  options: SidecarsOptions,
): Promise<Sidecar> {
  const port = await freePort();
  const { intervalMs = INTERVAL_MS } = options;
  const env = { ...nodeEnv(kafka, node, options), PORT: String(port), ...options.env };
  const process = startProcess({ name: `sidecar-${node.id}`, command: [binary, "broker"], env });
  const url = `http://127.0.0.1:${env.PORT}`;
  const sidecar = sidecarAt(url, process, node.id, env, intervalMs);
  await until(
    `sidecar ${node.id} to serve`,
    async () => {
      if (!process.running()) throw new Error(`it has ended:\n${process.output()}`);
      return await sidecar.live();
    },
    { deadlineMs: STARTED_MS },
  ).catch(async (error: unknown) => {
    await process.stop(0);
    throw new Error(`${String(error)}; it printed:\n${process.output()}`, { cause: error });
  });
  return sidecar;
}

function nodeEnv(
  kafka: KafkaBed,
  node: Broker,
  { listener = "PLAINTEXT", user, intervalMs = INTERVAL_MS }: SidecarsOptions,
): Env {
  const isController = kafka.controllers.includes(node);
  const localPort = isController ? node.port : node.portOf(listener);
  const usesTls = listener.endsWith("SSL") && !isController;
  return {
    HOSTNAME: `kafka-${node.id}`,
    KAFKA_PORT: String(localPort),
    LOCAL_BROKER: `127.0.0.1:${localPort}`,
    BOOTSTRAP_SERVERS: kafka.bootstrapOf(listener),
    PROBE_INTERVAL: `${intervalMs}ms`,
    LOG_FORMAT: "text",
    LOG_LEVEL: "info",
    PATH: "/usr/bin:/bin",
    ...(user === undefined || isController ? {} : userEnv(user)),
    ...(usesTls
      ? {
          TLS_ENABLED: "true",
          TLS_CA_FILE: kafka.certificates.caFile,
          TLS_CERT_FILE: kafka.certificates.client.certFile,
          TLS_KEY_FILE: kafka.certificates.client.keyFile,
        }
      : {}),
  };
}

const userEnv = ({ name, password, mechanism }: KafkaUser): Env => ({
  SASL_ENABLED: "true",
  // In upper or lower case, as the original accepts it.
  SASL_MECHANISM: mechanism.toLowerCase(),
  SASL_USERNAME: name,
  SASL_PASSWORD: password,
});
