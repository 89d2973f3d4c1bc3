/**
 * Follows topics without a consumer group: knows how far each partition has been read, and can wait until
 * it has been read to a given offset. There is one handler per topic, which may be replaced when the role
 * changes.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../../shared/kafka/consumer/consumer.ts";
import type { ReadBatch, ReadProblem } from "../../../shared/kafka/consumer/delivery.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { createTroubleSpot, type LastingTrouble, troubleOf } from "./readiness.ts";

/** Longest time that a fetch waits for a first byte, in ms; it limits how late a close is noticed. */
const FETCH_WAIT_MS = 250;

export type Handler = (batch: ReadBatch) => void | Promise<void>;

export type Tail = {
  /** Reads a partition from an offset on and passes it to `handler`; if it is read already, moves there. */
  readonly follow: (topic: string, partition: number, offset: number, handler: Handler) => void;
  readonly unfollow: (topic: string, partition: number) => void;
  /** Resolves when everything below `offset` has been handled. */
  readonly reached: (
    topic: string,
    partition: number,
    offset: number,
    signal: AbortSignal,
  ) => Promise<Result<null, "aborted">>;
  /** Whether Kafka answers, or why not. */
  readonly trouble: () => LastingTrouble | undefined;
  readonly close: () => Promise<void>;
};

type Place = { next: number | undefined; handler: Handler };
type Waiter = { readonly place: string; readonly offset: number; readonly done: () => void };

export function openTail(options: {
  readonly client: KafkaClient;
  readonly log: KafkaLog;
  /** Problems other than reachability. */
  readonly onProblem: (problem: ReadProblem) => void;
  readonly clock: Clock;
}): Tail {
  const places = new Map<string, Place>();
  const waiters = new Set<Waiter>();
  const trouble = createTroubleSpot(options.clock.monotonicMs);

  const settle = (name: string, next: number): void => {
    for (const waiter of waiters) {
      if (waiter.place !== name || next < waiter.offset) continue;
      waiters.delete(waiter);
      waiter.done();
    }
  };

  const deliver = async (batch: ReadBatch): Promise<void> => {
    const name = placeName(batch.topic, batch.partition);
    const place = places.get(name);
    if (place === undefined) return;
    const handled = place.handler(batch);
    if (handled !== undefined) await handled;
    if (places.get(name) !== place) return;
    place.next = batch.nextOffset;
    settle(name, batch.nextOffset);
  };

  const problem = (found: ReadProblem): void => {
    if (found.kind === "unreachable") trouble.note(troubleOf(found.error));
    else if (found.kind === "recovered") trouble.note(undefined);
    else options.onProblem(found);
  };

  const { client, log } = options;
  const consumer = openConsumer({
    client,
    log,
    positions: [],
    deliver,
    problem,
    maxWaitMs: FETCH_WAIT_MS,
  });

  return {
    follow: (topic, partition, offset, handler) => {
      places.set(placeName(topic, partition), { next: undefined, handler });
      consumer.add({ topic, partition, offset });
    },
    unfollow: (topic, partition) => {
      places.delete(placeName(topic, partition));
      consumer.remove(topic, partition);
    },
    reached: (topic, partition, offset, signal) => {
      const place = placeName(topic, partition);
      if ((places.get(place)?.next ?? -1) >= offset) return Promise.resolve(ok(null));
      if (signal.aborted) return Promise.resolve(err("aborted"));
      return new Promise((resolve) => {
        const abort = () => {
          waiters.delete(waiter);
          resolve(err("aborted"));
        };
        const done = () => {
          signal.removeEventListener("abort", abort);
          resolve(ok(null));
        };
        const waiter: Waiter = { place, offset, done };
        waiters.add(waiter);
        signal.addEventListener("abort", abort, { once: true });
      });
    },
    trouble: trouble.present,
    close: consumer.close,
  };
}

const placeName = (topic: string, partition: number): string => `${topic}/${partition}`;
