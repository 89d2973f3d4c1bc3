/** Tests of what only a cluster in KRaft mode has. */
import { test } from "bun:test";
import { wantedKafka } from "./version.ts";

/** With ZooKeeper such a test is not defined: a skipped one would look as if it could not be run. */
export function testOnKraft(name: string, play: () => Promise<void>, limitMs: number): void {
  if (wantedKafka().mode === "kraft") test(name, play, limitMs);
}
