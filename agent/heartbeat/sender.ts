/**
 * Sends the heartbeats: one is due at once and then every interval, and one loop sends them to Kafka.
 *
 * Invariants (test/agent/heartbeat/sender.test.ts):
 *  - while Kafka is away only the newest beat is kept; a lost one shows as a gap in `sequence`;
 *  - a beat has the state at the time when it is sent, not when it was due: otherwise the first one after
 *    an outage would look as if our clock were behind;
 *  - after a failure the newest beat is taken only once Kafka answers again.
 */
import type { Clock } from "../../shared/clock.ts";
import type { Call } from "../../shared/deadline.ts";
import type { OutRecord } from "../../shared/kafka/batch/record.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import type { Result } from "../../shared/result.ts";
import { repeat, type Turn } from "../../shared/retry.ts";
import { type Condition, type HeartbeatContent, heartbeatRecord } from "../records.ts";
import { arrived, type Delivery, failed, lossText, lostOne, startDelivery } from "./delivery.ts";
import { untilNextBeatMs } from "./interval.ts";
import { openLatest } from "./latest.ts";

const ATTEMPT_MS_MAX = 5000;
/** The last beat must not delay the end of the process. */
const STOPPING_MS_MAX = 2000;
/** At most the interval: an agent that beats often is soon missed. */
const BACKOFF = { baseMs: 100, maxMs: 5000 } as const;

export type HeartbeatOptions = {
  readonly clientId: ClientId;
  readonly instanceId: string;
  readonly intervalMs: number;
  readonly kafka: {
    /** Makes sure that the topic exists. `again`: with what was known about it, a write has failed. */
    readonly reach: (again: boolean, call: Call) => Promise<Result<unknown, KafkaError>>;
    readonly send: (record: OutRecord, call: Call) => Promise<Result<unknown, KafkaError>>;
  };
  readonly clock: Clock;
  readonly resourcesSent: () => number;
  /** What else is wrong, besides lost beats. */
  readonly trouble: () => string | undefined;
  /** Called with every change; with `detail` if there is an error to log. */
  readonly changed: (delivery: Delivery) => void;
  readonly beatSent: () => void;
  readonly beatLost: () => void;
};

export type HeartbeatSender = {
  readonly delivery: () => Delivery;
  /** Sends a beat at once that asks for this cluster's standing; false while beats do not arrive. */
  readonly ask: () => boolean;
  /** Sends beats until the signal aborts; resolves when no beat is under way any more. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Sends a last beat, `stopping`; true when it arrived within 2 s. Call it after `run` has ended. */
  readonly sayStopping: () => Promise<boolean>;
};

export function openHeartbeatSender(options: HeartbeatOptions): HeartbeatSender {
  const { kafka, clock } = options;
  const { monotonicMs } = clock;
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

  /** @returns false when Kafka did not accept it; the beat is then back in its slot, or lost. */
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

  const bringBeats = (signal: AbortSignal): Promise<void> => {
    const maxMs = Math.min(BACKOFF.maxMs, options.intervalMs);
    const bringNext = async (): Promise<Turn> => {
      await slot.filled(signal);
      return signal.aborted || (await deliver(signal)) ? "again" : "failed";
    };
    return repeat(bringNext, { ...BACKOFF, maxMs, clock }, signal);
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
  { intervalMs, clock }: HeartbeatOptions,
  makeBeat: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    makeBeat();
    await clock.sleep(untilNextBeatMs(intervalMs, clock.random()), signal);
  }
}

const beatRecord = (
  { clientId, instanceId, clock, resourcesSent }: HeartbeatOptions,
  beat: Pick<HeartbeatContent, "sequence" | "uptimeMs" | "ask"> & { readonly how: Condition },
): OutRecord =>
  heartbeatRecord({
    clientId,
    instanceId,
    sequence: beat.sequence,
    atMs: clock.nowMs(),
    condition: beat.how,
    resourcesSent: resourcesSent(),
    uptimeMs: beat.uptimeMs,
    ask: beat.ask,
  });

function conditionOf(troubles: readonly (string | undefined)[]): Condition {
  const reason = troubles.filter((text) => text !== undefined).join("; ");
  return reason === "" ? { status: "healthy" } : { status: "degraded", reason };
}
