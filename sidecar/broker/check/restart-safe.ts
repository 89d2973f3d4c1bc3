/** Could this broker be stopped now? Sums up `restart-risk.ts`; a known risk counts before what could not be read. */

import { type BrokerSnapshot, type LogDirectory, type Reading, unreadDirs } from "../snapshot.ts";
import { counted, partitionName, someOf } from "../text.ts";
import type { Verdict } from "./check.ts";
import { type PartitionRisk, partitionRisk, type QuorumRisk, quorumRisk } from "./restart-risk.ts";
import { NONE_NAMED, verdictsOf } from "./verdict.ts";

const say = verdictsOf("restart-safe");

/** Undefined: not read, or nothing of that kind here. */
export type RestartRisk = {
  readonly partitions: PartitionRisk | undefined;
  readonly quorum: QuorumRisk | undefined;
};

export function restartRisk(snapshot: BrokerSnapshot): RestartRisk {
  const { role, brokerId, metadata, quorum, minInsyncReplicas } = snapshot;
  const mins =
    minInsyncReplicas.kind === "read" ? minInsyncReplicas.value : new Map<string, number>();
  return {
    partitions:
      role === "broker" && metadata.kind === "read"
        ? partitionRisk(metadata.value.cluster, brokerId, mins)
        : undefined,
    quorum: quorum.kind === "read" ? quorumRisk(quorum.value, brokerId) : undefined,
  };
}

export function checkRestartSafe(snapshot: BrokerSnapshot, risk: RestartRisk): Verdict {
  const { role, metadata, quorum, minInsyncReplicas } = snapshot;
  const durationMs = Math.max(...[metadata, quorum, minInsyncReplicas].map(durationOf));
  const against = [...partitionsAgainst(risk.partitions), ...quorumAgainst(risk.quorum)];
  if (against.length > 0) return say("fail", against.join("; "), durationMs);
  const needed = role === "broker" ? [metadata, quorum] : [quorum];
  const unread = needed.find(({ kind }) => kind === "failed");
  if (unread?.kind === "failed") return say("unknown", unread.error.detail, durationMs);
  const { hidden } = snapshot;
  if (role === "broker" && hidden !== undefined) return say("unknown", hidden.reason, durationMs);
  const unseen = role === "broker" ? unseenBecause(snapshot.logDirs) : undefined;
  if (unseen !== undefined) return say("unknown", `${UNSEEN}: ${unseen}`, durationMs);
  const { identity } = snapshot;
  if (identity.kind === "unproven" && !identity.isFinal) {
    const which = `which node answers is not certain yet: ${identity.detail}`;
    return say("unknown", which, durationMs);
  }
  const undecided = risk.partitions?.undecided ?? [];
  if (undecided.length > 0) {
    return say("unknown", minimumsUnread(undecided, snapshot), durationMs);
  }
  const grounds = [...partitionGrounds(risk.partitions), ...quorumGrounds(risk.quorum)];
  return grounds.length === 0
    ? say("unknown", "neither partitions nor quorum of this node could be asked for", durationMs)
    : say("pass", grounds.join("; "), durationMs);
}

const UNSEEN = "could not ask whether there are replicas of topics that are hidden from us";

/**
 * If all topics are hidden from us, the metadata looks like that of an empty broker: only the directories
 * show the difference.
 */
function unseenBecause(dirs: Reading<readonly LogDirectory[]>): string | undefined {
  if (dirs.kind === "failed") return dirs.error.detail;
  if (dirs.kind === "absent") return undefined;
  if (dirs.value.length === 0) return NONE_NAMED;
  const unread = unreadDirs(dirs.value);
  return unread.length === 0 ? undefined : `the contents of ${someOf(unread)} have not been read`;
}

function minimumsUnread(
  undecided: readonly string[],
  { minInsyncReplicas, minInsyncTrouble }: BrokerSnapshot,
): string {
  const isFailed = minInsyncReplicas.kind === "failed";
  const words = isFailed ? minInsyncReplicas.error.detail : minInsyncTrouble;
  const why = words === undefined ? "" : `: ${words}`;
  const topics = `${counted(undecided.length, "topic")} (${someOf(undecided)})`;
  return `min.insync.replicas of ${topics} could not be read${why}`;
}

function partitionsAgainst(risk: PartitionRisk | undefined): readonly string[] {
  const { rows, total } = risk?.blocking ?? { rows: [], total: 0 };
  if (total === 0) return [];
  const waitingFor = new Set(rows.flatMap((row) => row.waitingFor));
  const brokers = someOf([...waitingFor].sort((a, b) => a - b).map(String));
  const hidden = total - rows.length;
  const names = `${someOf(rows.map(partitionName))}${hidden > 0 ? ` (and ${hidden} not listed)` : ""}`;
  const which = `${counted(total, "partition")} would be under min.insync.replicas`;
  return [`${which}: ${names}; waiting for broker ${brokers}`];
}

function quorumAgainst(risk: QuorumRisk | undefined): readonly string[] {
  if (risk?.blocks !== true) return [];
  const seen = `${risk.caughtUp.length} of the other voters caught up, ${risk.needed} needed`;
  return [
    `the quorum of ${risk.voters} would lose its majority: ${seen}; behind: ${someOf(risk.behind.map(String))}`,
  ];
}

function partitionGrounds(risk: PartitionRisk | undefined): readonly string[] {
  if (risk === undefined) return [];
  const enough = `${counted(risk.held, "replica")} here, enough others in sync`;
  const { rows, total } = risk.neverSafe;
  if (total === 0) return [enough];
  return [
    enough,
    `too few replicas ever to be safe: ${counted(total, "partition")} (${someOf(rows.map(partitionName))})`,
  ];
}

const quorumGrounds = (risk: QuorumRisk | undefined): readonly string[] =>
  risk === undefined
    ? []
    : [`${risk.caughtUp.length} of the other voters caught up, ${risk.needed} needed`];

const durationOf = (reading: Reading<unknown>): number =>
  reading.kind === "absent" ? 0 : reading.durationMs;
