/** What a member of the election is given, and what its parts share. */
import type { Call } from "../../deadline.ts";
import type { Result } from "../../result.ts";
import type { KafkaClient } from "../cluster/client.ts";
import type { KafkaError } from "../error.ts";
import type { KafkaLog } from "../log.ts";

export type Generation = {
  readonly generation: number;
  readonly memberId: string;
  /** Owned before this rebalance too. */
  readonly kept: boolean;
  /** Commits offset 0 of partition 0 with this term's member id and generation; only the partition's owner can. */
  readonly fence: (call: Call) => Promise<Result<null, KafkaError>>;
  readonly lost: AbortSignal;
};

export type MembershipOptions = {
  readonly client: KafkaClient;
  readonly log: KafkaLog;
  readonly groupId: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /**
   * This member's epoch as text while it leads, else "". The member with the lowest epoch has led longest
   * and keeps the partition.
   */
  readonly standing: () => string;
  readonly onAssigned: (term: Generation) => void;
  readonly onLost: (reason: string) => void;
  /**
   * Called with the reason each time joining fails, except for a rebalance; with undefined when it has
   * succeeded, or is no longer wanted.
   */
  readonly onJoin?: (error: KafkaError | undefined) => void;
  readonly signal?: AbortSignal;
};

export type MembershipContext = Omit<MembershipOptions, "signal"> & {
  readonly lane: string;
  readonly signal: AbortSignal;
  /** True from the beginning of a rebalance to its end: a refused fence then says nothing about the partition. */
  readonly joining: () => boolean;
};
