/** What has been read but not yet processed by a round, and the loop's wake-up. */
import type { ReadBatch } from "../../shared/kafka/consumer/delivery.ts";
import type { Refused } from "../../shared/protocol/quarantine.ts";
import type { Crossing } from "./fleet/expiry.ts";
import type { RegistryRecord } from "./registry/order.ts";

/** How many registry records may wait for a round before reading pauses. */
const REGISTRY_WAITING_MAX = 200_000;
/** The loop wakes at least this often, ms, so that a lost wake-up only costs a second. */
const SLEEP_MAX_MS = 1_000;

export type Taken = {
  readonly registry: readonly RegistryRecord[];
  /** The next offset of each registry partition that was read since. */
  readonly applied: ReadonlyMap<number, number>;
  readonly corrupt: readonly Refused[];
  readonly crossed: readonly Crossing[];
  readonly ticked: boolean;
};

export type Inbox = {
  readonly registry: (batch: ReadBatch) => void | Promise<void>;
  readonly crossed: (crossed: readonly Crossing[]) => void;
  readonly ticked: () => void;
  readonly wake: () => void;
  /** The term is over: nothing is processed any more, and no reader may wait for that. */
  readonly close: () => void;
  readonly take: () => Taken;
  /** Resolves on a wake-up, at `atMs` (monotonic), or when the signal aborts. */
  readonly wait: (atMs: number | undefined, signal: AbortSignal) => Promise<void>;
};

export function createInbox(monotonicMs: () => number): Inbox {
  let records: RegistryRecord[] = [];
  let applied = new Map<number, number>();
  let corrupt: Refused[] = [];
  let crossings: Crossing[] = [];
  let ticked = false;
  let awake = false;
  let ring: (() => void) | undefined;
  let paused: (() => void)[] = [];
  /** Before the first round nothing is processed: promotion first reads the registry to its end. */
  let isServed = false;
  let isClosed = false;

  const wake = (): void => {
    awake = true;
    ring?.();
  };

  const registry = (batch: ReadBatch): void | Promise<void> => {
    if (isClosed) return;
    for (const record of registryRecords(batch)) records.push(record);
    for (const refused of corruptBatches(batch)) corrupt.push(refused);
    applied.set(batch.partition, batch.nextOffset);
    wake();
    if (!isServed || records.length < REGISTRY_WAITING_MAX) return;
    return new Promise((resolve) => {
      paused.push(resolve);
    });
  };

  const take = (): Taken => {
    const taken = { registry: records, applied, corrupt, crossed: crossings, ticked };
    records = [];
    applied = new Map();
    corrupt = [];
    crossings = [];
    ticked = false;
    awake = false;
    isServed = true;
    for (const goOn of paused) goOn();
    paused = [];
    return taken;
  };

  const wait: Inbox["wait"] = (atMs, signal) => {
    if (awake || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        ring = undefined;
        resolve();
      };
      const inMs = atMs === undefined ? SLEEP_MAX_MS : Math.max(0, atMs - monotonicMs());
      const timer = setTimeout(done, Math.min(SLEEP_MAX_MS, inMs));
      signal.addEventListener("abort", done, { once: true });
      ring = done;
    });
  };

  return {
    registry,
    crossed: (more) => {
      for (const crossing of more) crossings.push(crossing);
      wake();
    },
    ticked: () => {
      ticked = true;
    },
    wake,
    close: () => {
      isClosed = true;
      take();
    },
    take,
    wait,
  };
}

const registryRecords = ({ partition, records }: ReadBatch): readonly RegistryRecord[] =>
  records.map(({ offset, timestampMs, timestampType, key, value, headers }) => ({
    partition,
    offset,
    timestampMs,
    timestampType,
    key,
    value,
    headers: headers(),
  }));

const corruptBatches = ({ topic, partition, corrupt }: ReadBatch): readonly Refused[] =>
  corrupt.map(({ baseOffset, lastOffset, detail }) => ({
    topic,
    partition,
    offset: baseOffset,
    key: null,
    value: null,
    headers: {},
    error: {
      code: "batch-corrupt",
      detail: `offsets ${baseOffset} to ${lastOffset} cannot be read: ${detail}`,
    },
  }));
