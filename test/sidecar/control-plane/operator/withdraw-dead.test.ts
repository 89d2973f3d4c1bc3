/** `sidecar withdraw --dead-for` where Kafka's log ends, once it is read, before the end that was noted. */
import { expect, test } from "bun:test";
import { encodeStatus } from "../../../../shared/protocol/ledger.ts";
import { encodeTick, TICK_KEY } from "../../../../shared/protocol/message.ts";
import { HEARTBEAT, STATUS } from "../../../../shared/protocol/topic.ts";
import { toStatus } from "../../../../sidecar/control-plane/fleet/ledger.ts";
import { withdrawDead } from "../../../../sidecar/control-plane/operator/withdraw-dead.ts";
import { clockOf } from "../../../clock.ts";
import { type PlayedRecord, playLogs } from "../../../shared/kafka/played-log.ts";
import { A, clusterOf } from "../sample.ts";

const DAY_MS = 86_400_000;
const LONG = 10_000;

const tick = (sequence: number): PlayedRecord => {
  const value = encodeTick({ epoch: 1, sequence, interval_ms: 2_000, instance: "one" });
  return { key: TICK_KEY, value };
};

const dead = (): PlayedRecord => {
  const cluster = clusterOf({ state: "dead", reason: "silent", sinceMs: 0 });
  return { key: A, value: encodeStatus(toStatus(cluster, 1)) };
};

/** An election without a replica in sync takes all but the first tick away; then comes `next`. */
async function answerTo(next: number, refuses = 0): Promise<string> {
  const heartbeats = { start: 0, records: Array.from({ length: 50 }, () => tick(LONG)), refuses };
  let fetches = 0;
  const logs = { [STATUS]: { start: 0, records: [dead()] }, [HEARTBEAT]: heartbeats };
  const client = playLogs(logs, (apiName, topic) => {
    if (topic !== HEARTBEAT) return;
    if (apiName === "ListOffsets") heartbeats.records.splice(1);
    if (apiName !== "Fetch") return;
    fetches += 1;
    if (fetches === 2) heartbeats.records.push(tick(next));
  });
  const said: string[] = [];
  const deps = {
    ...{ client, log: () => undefined, say: (line: string) => said.push(line) },
    clock: clockOf({ nowMs: () => 40 * DAY_MS }),
    confirm: (question: string) => {
      said.push(question);
      return Promise.resolve(false);
    },
  };
  await withdrawDead(deps, 30 * DAY_MS);
  return said[1] ?? "";
}

test("withdrawDead() does not take a tick of before for the sign that a leader listens now", async () => {
  expect(await answerTo(1)).toStartWith("not done: the control plane has led for 2s only");
});

test("withdrawDead() takes the next tick for it", async () => {
  expect(await answerTo(LONG)).toStartWith("Withdraw these 1 clusters?");
});

test("withdrawDead() says so at once where Kafka does not say where the ticks end", async () => {
  expect(await answerTo(LONG, 5)).toContain("LEADER_NOT_AVAILABLE");
});
