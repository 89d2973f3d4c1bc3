/** A member of a classic consumer group that wants one thing: partition 0 of one topic. */

import type { Result } from "../result.ts";
import type { KafkaError } from "./error.ts";
import type { Call } from "./request.ts";
import type { KafkaLog, Wire } from "./wire.ts";

export type Term = {
  readonly generation: number;
  readonly memberId: string;
  /** Owned before this rebalance too. */
  readonly kept: boolean;
  /** Commits an offset with this term's member id and generation: only the owner can. */
  readonly fence: (call: Call) => Promise<Result<null, KafkaError>>;
  readonly lost: AbortSignal;
};

export type MembershipOptions = {
  readonly wire: Wire;
  readonly log: KafkaLog;
  readonly groupId: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** This member's epoch as text while it leads, else "": the lowest has led longest and keeps the partition. */
  readonly standing: () => string;
  readonly onAssigned: (term: Term) => void;
  readonly onLost: (reason: string) => void;
  readonly signal?: AbortSignal;
};

export type Membership = { readonly close: () => Promise<void> };

/** @returns `invalid` when the session timeout is below the broker's default minimum of 6 s. */
export function joinMembership(_options: MembershipOptions): Result<Membership, KafkaError> {
  throw new Error("not yet");
}
