/** What a member of a group is given, and what its parts share. */
import type { Call } from "../../deadline.ts";
import type { Result } from "../../result.ts";
import type { PartitionOffset } from "../api/group-offsets.ts";
import type { KafkaClient } from "../cluster/client.ts";
import type { KafkaError } from "../error.ts";
import type { KafkaLog } from "../log.ts";

/** How a group assigns partitions: what members send when they join, and how its leader assigns. */
export type GroupProtocol = {
  /** The protocol's name, as Kafka's tools show it; members of one group must agree on it. */
  readonly name: string;
  readonly subscription: () => Buffer;
  /** Called by the group's leader. */
  readonly assign: (
    members: readonly { readonly memberId: string; readonly metadata: Buffer }[],
  ) => readonly { readonly memberId: string; readonly assignment: Buffer }[];
  /** Whether it assigns anything to us. */
  readonly owns: (assignment: Buffer) => boolean;
};

export type Generation = {
  readonly generation: number;
  readonly memberId: string;
  /** Owned before this rebalance too. */
  readonly kept: boolean;
  /** The result of the protocol's `assign`. */
  readonly assignment: Buffer;
  /** Commits offsets with this term's member id and generation. */
  readonly commit: (
    offsets: readonly PartitionOffset[],
    call: Call,
  ) => Promise<Result<null, KafkaError>>;
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
  readonly protocol: GroupProtocol;
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
