/**
 * Ticks: every interval a record into every heartbeat partition, with acks=all, so that ticks fail where
 * beats fail. Reading a tick back proves that everything appended before it has been read
 * (fleet/observed-time.ts).
 */
import { type Clock, sleep } from "../../../shared/clock.ts";
import type { Producer } from "../../../shared/kafka/producer/producer.ts";
import { encodeTick, TICK_KEY } from "../../../shared/protocol/message.ts";
import { HEARTBEAT } from "../../../shared/protocol/topic.ts";
import type { Ages } from "../fleet/observed-time.ts";

export type TickOptions = {
  readonly producer: Producer;
  readonly ages: Ages;
  readonly epoch: number;
  readonly instance: string;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly failed: (partition: number, detail: string) => void;
};

/**
 * Runs until the signal; never rejects. Partitions are independent: one without a leader does not stop the
 * others.
 */
export async function runTicks(options: TickOptions): Promise<void> {
  const {
    ages,
    intervalMs,
    clock: { monotonicMs },
    signal,
  } = options;
  const underWay = new Set<number>();
  for (let sequence = 1; !signal.aborted; sequence += 1) {
    const startedMs = monotonicMs();
    ages.sent(sequence, startedMs);
    for (let partition = 0; partition < ages.partitions; partition += 1) {
      if (underWay.has(partition)) continue;
      underWay.add(partition);
      void writeTick(options, partition, sequence).finally(() => underWay.delete(partition));
    }
    await sleep(Math.max(0, intervalMs - (monotonicMs() - startedMs)), signal);
  }
}

async function writeTick(
  { producer, epoch, instance, intervalMs, signal, failed }: TickOptions,
  partition: number,
  sequence: number,
): Promise<void> {
  const value = encodeTick({ epoch, sequence, interval_ms: intervalMs, instance });
  const record = { key: TICK_KEY, value, partition };
  const sent = await producer.send(HEARTBEAT, [record], { deadlineMs: intervalMs, signal });
  if (!sent.ok && !signal.aborted) failed(partition, sent.error.detail);
}
