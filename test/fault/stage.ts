/**
 * The stage of a fault test: a Kafka, a fleet on it, clusters that beat or are silent, and what is
 * said when it fails. Whatever was started on it is ended with it.
 */
import { until } from "../bed/condition.ts";
import { type ControlPlane, type FleetBed, openFleet } from "../bed/control-plane.ts";
import { type KafkaBed, type KafkaOptions, startKafka } from "../bed/kafka/kafka.ts";
import { openSender, type Sender } from "../bed/sender.ts";
import { type Beats, openBeats } from "./beats.ts";

/** In step with the bed's `SHORT`. */
export const CLEANUP_TIMEOUT_MS = 8_000;
/** For what follows within a moment, on a busy machine. */
export const SOON_MS = 15_000;
/** For what takes a CLEANUP_TIMEOUT, and may begin anew once: after a gap, or a new term. */
export const CLEANED_MS = 3 * CLEANUP_TIMEOUT_MS + SOON_MS;
const LEADS_MS = 60_000;
const TAIL_LINES = 60;

type Env = Readonly<Record<string, string>>;

export type Stage = {
  readonly kafka: KafkaBed;
  readonly fleet: FleetBed;
  readonly sender: Sender;
  readonly beats: Beats;
  /** Starts a control plane and waits until it leads. */
  readonly lead: (env?: Env) => Promise<ControlPlane>;
  /** Starts one without waiting. */
  readonly start: (env?: Env) => Promise<ControlPlane>;
  /** Pids by client id, from /proc. */
  readonly pids: () => Readonly<Record<string, readonly number[]>>;
  /** Registers the clusters, lets them beat, and waits until each has its worker and is active. */
  readonly settled: (plane: ControlPlane, clientIds: readonly string[]) => Promise<void>;
  /** To be ended with the stage. */
  readonly atEnd: (end: () => Promise<void>) => void;
};

export type StageOptions = {
  readonly kafka?: KafkaOptions;
  readonly env?: Env;
  /** Before the first control plane starts. */
  readonly prepare?: (kafka: KafkaBed) => Promise<void>;
};

export async function onStage(
  { kafka: kafkaOptions, env, prepare }: StageOptions,
  act: (stage: Stage) => Promise<void>,
): Promise<void> {
  const ends: (() => Promise<void>)[] = [];
  const planes: ControlPlane[] = [];
  try {
    const kafka = await startKafka(kafkaOptions);
    ends.push(() => kafka.stop());
    await prepare?.(kafka);
    const fleet = await openFleet(kafka.bootstrap, env);
    ends.push(fleet.close);
    const sender = openSender(kafka.bootstrap);
    ends.push(sender.close);
    const beats = openBeats(sender);
    ends.push(beats.close);
    const start = async (more?: Env) => {
      const plane = await fleet.start(more);
      planes.push(plane);
      return plane;
    };
    const lead = async (more?: Env) => {
      const plane = await start(more);
      await plane.leads(LEADS_MS);
      return plane;
    };
    const pids = () => pidsByClient(fleet);
    const settled: Stage["settled"] = async (plane, clientIds) => {
      await Promise.all(clientIds.map((clientId) => sender.register(clientId)));
      for (const clientId of clientIds) beats.on(clientId);
      await until("a worker for each", () => oneEach(pids(), clientIds), { deadlineMs: SOON_MS });
      await until("all to be active", () => allIn(plane, clientIds, "active"), {
        deadlineMs: SOON_MS,
      });
      await confirmed(plane, clientIds.length);
    };
    const atEnd = (end: () => Promise<void>) => {
      ends.push(end);
    };
    await act({ kafka, fleet, sender, beats, lead, start, pids, settled, atEnd });
  } catch (error) {
    for (const [index, plane] of planes.entries()) tellTail(index, plane);
    throw error;
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function pidsByClient(fleet: FleetBed): Readonly<Record<string, readonly number[]>> {
  const byClient = Map.groupBy(fleet.workers(), ({ clientId }) => clientId);
  return Object.fromEntries([...byClient].map(([id, workers]) => [id, workers.map((w) => w.pid)]));
}

/** Exactly these have workers, one each. */
export function oneEach(
  pids: Readonly<Record<string, readonly number[]>>,
  clientIds: readonly string[],
): boolean {
  const running = Object.entries(pids);
  const wanted = new Set(clientIds);
  if (
    running.length === wanted.size &&
    running.every(([id, p]) => wanted.has(id) && p.length === 1)
  )
    return true;
  throw new Error(`wanted ${[...wanted].sort().join()}; running ${JSON.stringify(pids)}`);
}

export async function allIn(
  plane: ControlPlane,
  clientIds: readonly string[],
  state: string,
): Promise<boolean> {
  const seen = new Map((await plane.clusters()).map((each) => [each.client_id, each.state]));
  const other = clientIds.filter((clientId) => seen.get(clientId) !== state);
  if (other.length === 0) return true;
  throw new Error(`not ${state}: ${other.map((id) => `${id} is ${seen.get(id)}`).join()}`);
}

/** All starts are confirmed, and each of `count` has beaten since: the brake counts those that have. */
export async function confirmed(plane: ControlPlane, count: number): Promise<void> {
  await until(
    "the confirmed starts",
    async () => (await plane.clusters()).every(({ worker }) => worker?.state === "running"),
    { deadlineMs: SOON_MS },
  );
  await beatsGoOn(plane, 3 * count);
}

/** Resolves when so much real time has passed since `sinceMs`: how long a fault lasts. */
export async function passed(sinceMs: number, forMs: number): Promise<void> {
  await until(`${forMs} ms to pass`, () => performance.now() - sinceMs > forMs, {
    deadlineMs: forMs + SOON_MS,
  });
}

/** Resolves when this many more beats have been read than now: they go on. */
export async function beatsGoOn(plane: ControlPlane, count: number): Promise<void> {
  const sample = "outrider_heartbeat_age_seconds_count";
  const before = await until("the count of beats", () => plane.metric(sample), {
    deadlineMs: SOON_MS,
  });
  await until(
    `${count} more beats than ${before}`,
    async () => (await plane.metric(sample)) >= before + count,
    { deadlineMs: 2 * SOON_MS },
  );
}

function tellTail(index: number, { process: each }: ControlPlane): void {
  const lines = each
    .output()
    .split("\n")
    .filter((line) => !line.includes("logger=kafkajs"));
  const tail = lines.slice(-TAIL_LINES).join("\n");
  process.stderr.write(`--- control plane ${index} (pid ${each.pid}), last lines:\n${tail}\n`);
}
