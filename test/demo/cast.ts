/** Who is on stage: a Kafka, the control plane with its workers, and an agent for each cluster. */
import * as v from "valibot";
import { committedOffsets } from "../../shared/kafka/admin/groups.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import { partitionFor } from "../../shared/kafka/producer/partitioner.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { type ClientId, groupOf } from "../../shared/protocol/client-id.ts";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { binaries } from "../bed/binaries.ts";
import { type FleetBed, openFleet } from "../bed/control-plane.ts";
import { type BedProcess, startProcess } from "../bed/process.ts";
import type { LiveWorker } from "../bed/workers.ts";

const CALL = { deadlineMs: 10_000 };
const STOP_MS = 5000;
const TAIL_LINES = 15;

/** Shortened from 2m, 5m and 10s; the agents' interval from 30s. Ratios are near those of the defaults. */
export const TIMES = {
  HEARTBEAT_TIMEOUT: "4s",
  CLEANUP_TIMEOUT: "10s",
  SESSION_TIMEOUT: "6s",
} as const;
export const HEARTBEAT_INTERVAL = "1s";

export type CastOptions = {
  readonly brokers: string;
  /** SASL and TLS variables of a Kafka that was given. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly client: KafkaClient;
  /** Whose topics they were. */
  readonly lastFleet: string | undefined;
};

/** Where records were written; `end` is the offset after the last of them. */
export type Collected = { readonly partition: number; readonly end: number };

export type Cast = {
  readonly fleet: FleetBed;
  /** Runs `agent <words>` for this cluster to its end. @throws Error when it does not exit with 0. */
  readonly hook: (clientId: ClientId, words: readonly string[]) => Promise<string>;
  /** Starts `agent <command>` for this cluster; it beats until it is stopped. */
  readonly agent: (clientId: ClientId, command: "heartbeat" | "run") => BedProcess;
  readonly workerOf: (clientId: ClientId) => LiveWorker | undefined;
  /** Writes records as a collector of this cluster would. */
  readonly collect: (clientId: ClientId, from: number, count: number) => Promise<Collected>;
  /** The same records once more, as tombstones. */
  readonly forget: (clientId: ClientId, count: number) => Promise<void>;
  /** What its group has committed in the cluster's partition; undefined: nothing, or no group. */
  readonly committed: (clientId: ClientId) => Promise<number | undefined>;
  /** What its worker has counted since it started last, by its own log. */
  readonly counted: (clientId: ClientId) => Promise<number>;
  readonly logTails: () => string;
  readonly close: () => Promise<void>;
};

export async function openCast({
  brokers,
  credentials,
  client,
  lastFleet,
}: CastOptions): Promise<Cast> {
  const { agent: binary } = await binaries();
  const fleet = await openFleet(brokers, {
    ...TIMES,
    ...credentials,
    ...(lastFleet === undefined ? {} : { FLEET_ALIASES: lastFleet }),
    // The default: this binary's own `ingest`.
    WORKER_COMMAND: "",
    WORKER_INHERIT_KAFKA_AUTH: "true",
    ACT_WINDOW: "",
    RECONCILE_INTERVAL: "",
    LOG_LEVEL: "info",
  });
  const producer = openProducer({ client, log: () => undefined });
  const agents: BedProcess[] = [];
  const start = (clientId: ClientId, words: readonly string[]): BedProcess => {
    const process = startProcess({
      name: `agent ${words.join(" ")} (${clientId})`,
      command: [binary, ...words],
      env: agentEnvironment({ brokers, credentials, clientId, home: fleet.stateDir }),
    });
    agents.push(process);
    return process;
  };
  const partitionOf = async (clientId: ClientId) =>
    partitionFor(clientId, taken(await client.partitionCount(CLUSTER_INFO, CALL)));
  const write = async (clientId: ClientId, numbers: readonly number[], value: string | null) => {
    const partition = await partitionOf(clientId);
    const records = numbers.map((n) => ({ key: `${clientId}/pods/${n}`, value, partition }));
    const written = taken(await producer.send(CLUSTER_INFO, records, CALL));
    return { partition, end: (written.at(-1)?.offset ?? -1) + 1 };
  };
  return {
    fleet,
    hook: async (clientId, words) => {
      const process = start(clientId, words);
      const { code } = await process.exited;
      const line = process.output().trim().split("\n").at(-1) ?? "";
      if (code !== 0) throw new Error(`${process.name} ended with ${code}: ${line}`);
      return line;
    },
    agent: (clientId, command) => start(clientId, [command]),
    workerOf: (clientId) => fleet.workers().find((worker) => worker.clientId === clientId),
    collect: (clientId, from, count) =>
      write(clientId, numbersFrom(from, count), '{"kind":"Pod","status":"Running"}'),
    forget: async (clientId, count) => {
      await write(clientId, numbersFrom(0, count), null);
    },
    committed: async (clientId) => {
      const partition = await partitionOf(clientId);
      const group = groupOf(clientId);
      return taken(await committedOffsets(client, group, CLUSTER_INFO, [partition], CALL)).get(
        partition,
      );
    },
    counted: (clientId) => countedIn(workerLog(fleet, clientId)),
    logTails: () =>
      [...agents.map(tailOf), fleet.outputs(TAIL_LINES)].filter((tail) => tail !== "").join("\n"),
    close: async () => {
      await Promise.all(agents.map((agent) => agent.stop(STOP_MS)));
      await fleet.close();
    },
  };
}

const agentEnvironment = (of: {
  readonly brokers: string;
  readonly credentials: Readonly<Record<string, string>>;
  readonly clientId: ClientId;
  readonly home: string;
}): Readonly<Record<string, string>> => ({
  ...of.credentials,
  KAFKA_BROKERS: of.brokers,
  CLIENT_ID: of.clientId,
  HEARTBEAT_INTERVAL,
  PORT: "0",
  LOG_FORMAT: "text",
  HOME: of.home,
  PATH: "/usr/bin:/bin",
});

const numbersFrom = (from: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => from + index);

export const workerLog = (fleet: FleetBed, clientId: ClientId): string =>
  `${fleet.stateDir}/logs/kg-graph-builder-${clientId}.log`;

const LogLine = v.object({ message: v.string(), counted: v.optional(v.number()) });

/** The last count after the last start. */
async function countedIn(path: string): Promise<number> {
  let counted = 0;
  for (const text of (await Bun.file(path).text()).split("\n")) {
    const line = v.safeParse(v.pipe(v.string(), v.parseJson(), LogLine), text);
    if (!line.success) continue;
    if (line.output.message === "ingesting") counted = 0;
    if (line.output.message === "counted") counted = line.output.counted ?? counted;
  }
  return counted;
}

function tailOf(process: BedProcess): string {
  const tail = process.output().trim().split("\n").slice(-TAIL_LINES).join("\n");
  return tail === "" ? "" : `--- ${process.name} ${process.pid}\n${tail}`;
}

/** What went wrong at the Kafka door ends the step. */
function taken<T>(
  result:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly error: { readonly detail: string } },
): T {
  if (!result.ok) throw new Error(result.error.detail);
  return result.value;
}
