/**
 * The heartbeat: a beat is due at once and then every interval, and one courier brings them to Kafka.
 *
 * Invariants (test/agent/heartbeat/sender.test.ts):
 *  - what is kept while Kafka is away is one beat, the newest; a lost one shows as a gap in `sequence`;
 *  - a beat says how things are when it is sent, not when it was due: else the first one after an
 *    outage would look like a clock that is behind;
 *  - after a failure Kafka is asked whether it is there before the newest beat is taken.
 */
import { backoffMs } from "../../shared/backoff.ts";
import { sleep } from "../../shared/deadline.ts";
import type { Call } from "../../shared/kafka/api/request.ts";
import type { OutRecord } from "../../shared/kafka/batch/record.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import type { Result } from "../../shared/result.ts";
import { type Condition, type HeartbeatContent, heartbeatRecord } from "../records.ts";
import { arrived, type Delivery, failed, lossText, lostOne, startDelivery } from "./delivery.ts";
import { untilNextBeatMs } from "./interval.ts";
import { openLatest } from "./latest.ts";

const ATTEMPT_MS_MAX = 5000;
/** The last beat must not hold up the end of the process. */
const STOPPING_MS_MAX = 2000;
/** And never longer than the interval: one who beats often is missed early. */
const BACKOFF = { baseMs: 100, maxMs: 5000 } as const;

export type HeartbeatOptions = {
  readonly clientId: ClientId;
  readonly instanceId: string;
  readonly intervalMs: number;
  readonly kafka: {
    /** Is the topic there? `again`: what was known of it has failed. */
    readonly reach: (again: boolean, call: Call) => Promise<Result<unknown, KafkaError>>;
    readonly send: (record: OutRecord, call: Call) => Promise<Result<unknown, KafkaError>>;
  };
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly resourcesSent: () => number;
  /** What is wrong here besides lost beats. */
  readonly trouble: () => string | undefined;
  /** Told of every change; `detail` where there is an error to log. */
  readonly changed: (delivery: Delivery) => void;
  readonly beatSent: () => void;
  readonly beatLost: () => void;
};

export type HeartbeatSender = {
  readonly delivery: () => Delivery;
  /** A beat at once that asks what became of this cluster; false while beats do not arrive. */
  readonly ask: () => boolean;
  /** Beats until the signal; resolves when no beat is under way any more. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** One last beat, `stopping`; true when it arrived within 2 s. Call it after `run` has ended. */
  readonly sayStopping: () => Promise<boolean>;
};

export function openHeartbeatSender(options: HeartbeatOptions): HeartbeatSender {
  const { kafka, monotonicMs } = options;
  const startedMs = monotonicMs();
  const slot = openLatest<number>();
  let sequence = 0;
  let asks = false;
  let delivery = startDelivery(startedMs);

  const become = (next: Delivery) => {
    delivery = next;
    options.changed(next);
  };
  const lose = () => {
    options.beatLost();
    become(lostOne(delivery));
  };

  const makeBeat = () => {
    sequence += 1;
    if (slot.put(sequence) !== undefined) lose();
  };

  const condition = () => conditionOf([lossText(delivery, monotonicMs()), options.trouble()]);

  const recordOf = (number: number, how: Condition) =>
    beatRecord(options, { sequence: number, how, uptimeMs: monotonicMs() - startedMs, ask: asks });

  /** @returns false when Kafka did not take it; the beat is then back in its slot, or lost. */
  const deliver = async (signal: AbortSignal): Promise<boolean> => {
    const triedMs = monotonicMs();
    const call = { deadlineMs: ATTEMPT_MS_MAX, signal };
    const fail = ({ detail }: KafkaError) => {
      if (!signal.aborted) become(failed(delivery, triedMs, detail));
      return false;
    };
    const reached = await kafka.reach(delivery.kind === "down", call);
    if (!reached.ok) return fail(reached.error);
    const number = slot.take();
    if (number === undefined) return true;
    const asked = asks;
    const sent = await kafka.send(recordOf(number, condition()), call);
    if (!sent.ok) {
      const isDown = fail(sent.error);
      if (slot.putBack(number)) lose();
      return isDown;
    }
    options.beatSent();
    asks = asks && !asked;
    become(arrived(delivery, monotonicMs()));
    return true;
  };

  const bringBeats = async (signal: AbortSignal) => {
    for (let failures = 0; !signal.aborted; ) {
      await slot.filled(signal);
      if (signal.aborted) return;
      failures = (await deliver(signal)) ? 0 : failures + 1;
      if (failures > 0) await sleep(pauseMs(failures, options), signal);
    }
  };

  return {
    delivery: () => delivery,
    ask: () => {
      asks = delivery.kind === "up";
      if (asks) makeBeat();
      return asks;
    },
    run: async (signal) => {
      await Promise.all([makeBeats(options, makeBeat, signal), bringBeats(signal)]);
    },
    sayStopping: async () => {
      sequence += 1;
      const record = recordOf(sequence, { status: "stopping" });
      const sent = await kafka.send(record, { deadlineMs: STOPPING_MS_MAX });
      if (sent.ok) options.beatSent();
      return sent.ok;
    },
  };
}

async function makeBeats(
  { intervalMs, random }: HeartbeatOptions,
  makeBeat: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    makeBeat();
    await sleep(untilNextBeatMs(intervalMs, random()), signal);
  }
}

const beatRecord = (
  { clientId, instanceId, nowMs, resourcesSent }: HeartbeatOptions,
  beat: Pick<HeartbeatContent, "sequence" | "uptimeMs" | "ask"> & { readonly how: Condition },
): OutRecord =>
  heartbeatRecord({
    clientId,
    instanceId,
    sequence: beat.sequence,
    atMs: nowMs(),
    condition: beat.how,
    resourcesSent: resourcesSent(),
    uptimeMs: beat.uptimeMs,
    ask: beat.ask,
  });

const pauseMs = (failures: number, { intervalMs, random }: HeartbeatOptions): number =>
  backoffMs(failures - 1, { ...BACKOFF, maxMs: Math.min(BACKOFF.maxMs, intervalMs), random });

function conditionOf(troubles: readonly (string | undefined)[]): Condition {
  const reason = troubles.filter((text) => text !== undefined).join("; ");
  return reason === "" ? { status: "healthy" } : { status: "degraded", reason };
}
