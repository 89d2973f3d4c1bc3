/**
 * The stage for a file of fault tests on brokers: one Kafka with its sidecars for all tests. After each
 * test the cluster is repaired, and a failed test prints what all sidecars said.
 */
import { openSidecars, type Sidecars, type SidecarsOptions } from "../broker-sidecar.ts";
import { type KafkaBed, type KafkaOptions, startKafka } from "../kafka/kafka.ts";
import { signalProcess } from "../reaper.ts";

/** Time for Java's start and the return to all ISRs, on a busy machine. */
const SETTLED_MS = 60_000;

export type BrokerStage = {
  readonly kafka: KafkaBed;
  readonly sidecars: Sidecars;
  /** What else to undo after the test; last first. */
  readonly undo: (step: () => Promise<unknown>) => void;
};

type StageFile = {
  readonly open: () => Promise<void>;
  readonly close: () => Promise<void>;
  /** Runs one test on the complete, settled cluster. */
  readonly act: (play: (stage: BrokerStage) => Promise<void>) => () => Promise<void>;
};

export function brokerStage(options: {
  readonly kafka: KafkaOptions;
  readonly sidecars: SidecarsOptions;
  /** Topics, permissions: before the sidecars start. */
  readonly prepare?: (kafka: KafkaBed) => Promise<void>;
}): StageFile {
  let kafka: KafkaBed | undefined;
  let sidecars: Sidecars | undefined;
  const play = async (test: (stage: BrokerStage) => Promise<void>) => {
    if (kafka === undefined || sidecars === undefined) throw new Error("the stage is not open");
    const undone: (() => Promise<unknown>)[] = [];
    try {
      await sidecars.settled(SETTLED_MS);
      await test({ kafka, sidecars, undo: (step) => undone.push(step) });
    } catch (error) {
      process.stderr.write(`${await sidecars.told()}\n${await kafka.logTail()}\n`);
      throw error;
    } finally {
      for (const step of undone.reverse()) await step();
      await mended(kafka);
    }
  };
  return {
    open: async () => {
      kafka = await startKafka(options.kafka);
      await options.prepare?.(kafka);
      sidecars = await openSidecars(kafka, options.sidecars);
    },
    close: async () => {
      await sidecars?.close();
      await kafka?.stop();
    },
    act: (test) => () => play(test),
  };
}

/** Paused brokers go on, ended ones start again: all at the same time, because a quorum needs two. */
async function mended(kafka: KafkaBed): Promise<void> {
  const nodes = [...kafka.brokers, ...kafka.controllers];
  for (const each of nodes) if (each.running) signalProcess(each.pid, "SIGCONT");
  await Promise.all(nodes.filter((each) => !each.running).map((each) => each.start()));
}
