/**
 * One round of reads: the local broker first, the others only for what it cannot say. A broker that is cut
 * off from the controllers still shows itself as registered (measured: it keeps its last image), so another
 * broker is believed when no controller answers through the local one.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { ClusterMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Result } from "../../../shared/result.ts";
import type { OutageWatch } from "../outage/outage.ts";
import type { KafkaFinder } from "../process/finder.ts";
import type { LocalBroker, LocalReads } from "../read/local-broker.ts";
import type { OtherBrokers } from "../read/other-brokers.ts";
import { openRoundClock, type RoundClock } from "../read/round-clock.ts";
import type { BrokerSnapshot, KafkaProcess, ListenerAnswer } from "../snapshot.ts";

/** Share of the round's deadline after which the others are asked without waiting for the local broker. */
const OTHERS_AFTER_SHARE = 0.5;

export type SnapshotOptions = {
  readonly brokerId: number;
  readonly deadlineMs: number;
  readonly local: LocalBroker;
  readonly cluster: OtherBrokers;
  readonly silence: OutageWatch;
  readonly finder: KafkaFinder;
  readonly clock: Clock;
};

export type Snapshots = { readonly take: (signal: AbortSignal) => Promise<BrokerSnapshot> };

export function openSnapshots(options: SnapshotOptions): Snapshots {
  const { brokerId, deadlineMs, finder, local } = options;
  let wasTroubled = false;
  let hasAnsweredUnseen = false;

  const hasStarted = (answer: ListenerAnswer, process: KafkaProcess): boolean => {
    if (hasAnswered(answer)) hasAnsweredUnseen = true;
    // Then the process that answered has ended: the next one has not answered yet.
    if (answer.kind === "closed" || process.kind === "gone") hasAnsweredUnseen = false;
    return process.kind === "running" ? process.hasAnswered : hasAnsweredUnseen;
  };

  return {
    take: async (signal) => {
      const clock = openRoundClock({ deadlineMs, clock: options.clock, signal });
      try {
        const silenceOf = options.silence.round(clock);
        const heard = finder.asking();
        const reading = local.read(clock);
        const others = askOthers(options, clock, reading, wasTroubled);
        const reads = await reading;
        wasTroubled = isTroubled(reads);
        const metadata = metadataOf(reads, wasTroubled ? await others : undefined);
        const silence = await silenceOf(reads.answer);
        if (hasAnswered(reads.answer)) heard();
        const process = finder.look();
        const started = hasStarted(reads.answer, process);
        const isClosed = reads.answer.kind === "closed" && process.kind === "running";
        const portHolder = isClosed && started ? finder.portHolder() : undefined;
        const listensAt = isClosed && !started ? finder.listensAt() : [];
        const lagMs = clock.lagMs();
        const backlog = isNew(reads.answer) ? finder.backlog() : undefined;
        return {
          ...{ ...reads, brokerId, silence, metadata, process, portHolder, lagMs },
          ...{ listensAt, backlog, hasStarted: started },
        };
      } finally {
        clock.stop();
      }
    },
  };
}

type Others = Result<ClusterMetadata, KafkaError> | undefined;

async function askOthers(
  { cluster, deadlineMs }: SnapshotOptions,
  clock: RoundClock,
  reading: Promise<LocalReads>,
  atOnce: boolean,
): Promise<Others> {
  if (!cluster.some) return undefined;
  if (!atOnce) {
    const hedge = clock.after(deadlineMs * OTHERS_AFTER_SHARE);
    const reads = await Promise.race([reading, hedge]);
    if (reads !== undefined && !isTroubled(reads)) return undefined;
  }
  return cluster.metadata({ deadlineMs: Math.max(1, clock.leftMs()), signal: clock.signal });
}

/** The local broker does not describe the cluster, or has no controller to learn it from. */
function isTroubled({ role, metadata, quorum }: LocalReads): boolean {
  if (role === "controller") return false;
  if (metadata.kind === "failed") {
    return !["authorization", "unsupported"].includes(metadata.error.code);
  }
  if (quorum.kind === "read") return quorum.value.leaderId < 0;
  return quorum.kind === "failed" && ["timeout", "unreachable"].includes(quorum.error.code);
}

function metadataOf({ metadata }: LocalReads, others: Others): BrokerSnapshot["metadata"] {
  if (others?.ok === true && metadata.kind !== "absent") {
    const value = { cluster: others.value, from: "cluster" } as const;
    return { kind: "read", value, durationMs: metadata.durationMs };
  }
  if (metadata.kind !== "read") return metadata;
  return { ...metadata, value: { cluster: metadata.value, from: "local" } };
}

const hasAnswered = ({ kind }: ListenerAnswer): boolean =>
  kind === "answered" || kind === "throttled" || kind === "refused-us";

const isNew = (answer: ListenerAnswer): boolean =>
  answer.kind === "silent" && answer.connected && answer.isNew === true;
