/** Tests of what only a cluster with controllers of Kafka's own has. */
import { test } from "bun:test";
import { wantedKafka } from "./version.ts";

/** With ZooKeeper there is no such test: one that was skipped would read as one that could not be run. */
export function testOnKraft(name: string, play: () => Promise<void>, limitMs: number): void {
  if (wantedKafka().mode === "kraft") test(name, play, limitMs);
}
