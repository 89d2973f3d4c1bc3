/** One Kafka for the tests of a file: started before the first of them, stopped after the last. */
import { afterAll, beforeAll } from "bun:test";
import { type KafkaBed, type KafkaOptions, startKafka } from "./kafka.ts";

/** Jars that are fetched, and classes that are kept, take longer the first time. */
const START_MS = 120_000;

/** To be called once, at the top of a file or of a `describe`; what it returns is for tests and later hooks. */
export function kafkaOfFile(options: KafkaOptions = {}): KafkaBed {
  let started: KafkaBed | undefined;
  const bed = (): KafkaBed => {
    if (started === undefined) throw new Error("this file's Kafka has not started");
    return started;
  };
  beforeAll(async () => {
    started = await startKafka(options);
  }, START_MS);
  afterAll(() => started?.stop());
  return {
    get mode() {
      return bed().mode;
    },
    get bootstrap() {
      return bed().bootstrap;
    },
    get clusterId() {
      return bed().clusterId;
    },
    get brokers() {
      return bed().brokers;
    },
    get controllers() {
      return bed().controllers;
    },
    get users() {
      return bed().users;
    },
    get certificates() {
      return bed().certificates;
    },
    get tools() {
      return bed().tools;
    },
    get dir() {
      return bed().dir;
    },
    bootstrapOf: (listener) => bed().bootstrapOf(listener),
    broker: (id) => bed().broker(id),
    toolsAs: (identity) => bed().toolsAs(identity),
    logTail: (lines) => bed().logTail(lines),
    rebuild: () => bed().rebuild(),
    stop: (how) => bed().stop(how),
  };
}
