/** One term, from owning the partition to its end: promote, follow what a leader reads, run it. */
import type { Call } from "../../../shared/deadline.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { Generation } from "../../../shared/kafka/election/context.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { REGISTRY } from "../../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { TroubleSpot } from "../follow/readiness.ts";
import type { Standby } from "../follow/standby.ts";
import type { Tail } from "../follow/tail.ts";
import { createInbox, type Inbox } from "../inbox.ts";
import { dropPartitions, forgetOffsets } from "../state/ledger.ts";
import type { TopicFindings } from "../topics.ts";
import { followHeartbeats } from "./heartbeat-partitions.ts";
import type { FleetIdentity } from "./identity.ts";
import { type Promoted, promote } from "./promotion.ts";
import { openTerm, type Term, type TermDeps } from "./term.ts";

const FENCE_MS = 5_000;
/** A replay of 100,000 clusters takes seconds. */
const PROMOTION_MAX_MS = 120_000;

export type LeadershipDeps = Omit<
  TermDeps,
  "promoted" | "heartbeatPartitions" | "inbox" | "fence" | "registryHarmful"
> & {
  readonly client: KafkaClient;
  readonly tail: Tail;
  readonly standby: Standby;
  readonly identity: FleetIdentity;
  /** Creates missing topics and checks the others. */
  readonly prepare: () => Promise<Result<TopicFindings, KafkaError>>;
};

/** The state of leading; one object, so that its steps can be separate functions. */
export type StandbyParts = {
  owned: Generation | undefined;
  term: Term | undefined;
  /** What is known about the ledger is no longer valid: it is read from its start. */
  isStale: boolean;
  /** Ends the promotion under way: leadership was lost, a topic changed, it took too long, or we stop. */
  promotion: AbortController | undefined;
  /** Ends the loop's wait. */
  wake: () => void;
  readonly trouble: TroubleSpot;
  readonly closing: AbortController;
};

type Deps = LeadershipDeps & Pick<TermDeps, "registryHarmful">;
type NotLed = Pick<KafkaError, "code" | "detail">;

/** Resolves when the term is over; an error means that none began. */
export async function leadOnce(deps: Deps, standing: StandbyParts): Promise<Result<null, NotLed>> {
  const inbox = createInbox(deps.clock.monotonicMs);
  /** A rebalance that leaves the partition with us gives us a new generation for commits. */
  const fence = (call: Call): Promise<Result<null, KafkaError>> =>
    standing.owned === undefined ? Promise.resolve(err(NOT_OWNED)) : standing.owned.fence(call);
  const promotion = new AbortController();
  standing.promotion = promotion;
  const late = setTimeout(() => promotion.abort(), PROMOTION_MAX_MS);
  const promoted = await promote({
    ...deps,
    scope: deps.runtime.scope,
    fence: () => fence({ deadlineMs: FENCE_MS }),
    onRegistry: inbox.registry,
    signal: promotion.signal,
  });
  clearTimeout(late);
  standing.promotion = undefined;
  if (!promoted.ok) {
    for (const partition of promoted.error.following ?? []) {
      deps.tail.unfollow(REGISTRY, partition);
    }
    // Something changed, or the end was not reached: what was read so far is not reliable.
    if (promoted.error.code === "aborted") standing.isStale = true;
    return err({ code: promoted.error.kafka ?? "invalid", detail: promoted.error.detail });
  }
  standing.trouble.note(undefined);
  await serveTerm(deps, standing, promoted.value, inbox, fence);
  return ok(null);
}

async function serveTerm(
  deps: Deps,
  standing: StandbyParts,
  promoted: Promoted,
  inbox: Inbox,
  fence: TermDeps["fence"],
): Promise<void> {
  const { log, standby, tail } = deps;
  const { heartbeatPartitions, registry, epoch, fleet } = promoted;
  warnOfRegistry(deps, registry);
  const term = openTerm({ ...deps, promoted, heartbeatPartitions, inbox, fence });
  dropPartitions(
    term.leaderState,
    registry.map(({ partition }) => partition),
  );
  for (const { partition, applied, madeAgain } of registry) {
    const forgotten = madeAgain ? forgetOffsets(fleet, partition) : [];
    for (const clientId of forgotten) term.leaderState.unsaved.add(clientId);
    fleet.applied.set(partition, applied);
    term.leaderState.unsavedApplied.add(partition);
  }
  term.leaderState.orphansAcceptedUnlisted = registry.some(({ acceptedNow }) => acceptedNow);
  standby.takeOver(term.onLedger);
  standby.onControl(term.onControl);
  standing.term = term;
  log.info("leading", { epoch, clusters: fleet.clusters.size });
  const lost = standing.owned === undefined || standing.closing.signal.aborted;
  if (lost) term.end("leadership was lost during the promotion");
  const stopFollowing = followHeartbeats({ ...deps, promoted, term });
  if (standby.lastLeader() !== epoch) term.end("a newer leader wrote its record meanwhile");
  const reason = await term.run();
  inbox.close();
  stopFollowing();
  standing.term = undefined;
  // The term changed the fleet in memory, but a standby must know only what the ledger says.
  standing.isStale = true;
  standby.onControl(undefined);
  for (const { partition } of registry) tail.unfollow(REGISTRY, partition);
  log.warn("the term is over", { epoch, reason });
}

const NOT_OWNED: KafkaError = {
  code: "fenced",
  retry: "terminal",
  detail: "the partition of cluster.control is not ours",
};

function warnOfRegistry(
  { log }: LeadershipDeps,
  starts: readonly { readonly partition: number; readonly madeAgain: boolean }[],
): void {
  if (!starts.some(({ madeAgain }) => madeAgain)) return;
  log.error(
    "cluster.registry is not the one that the ledger knows (recreated, or another " +
      "Kafka): it is read from its start on top of the ledger; clean-ups and orphan stops are held " +
      "until `sidecar accept-registry`",
  );
}
