/**
 * Decides when to stand for election: joins the group unless something forbids it, and leaves it once
 * something does. Two things forbid it: topics of another fleet, and control planes of a version that
 * elected per fleet and does not use this group. While there are any of these, they lead and we stand by
 * (an upgrade, a rollback).
 */
import { sleep } from "../../../shared/clock.ts";
import type { Membership } from "../../../shared/kafka/election/membership.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Log } from "../../../shared/log.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { type TroubleSpot, troubleOf } from "../follow/readiness.ts";
import type { Standby } from "../follow/standby.ts";
import { type FleetIdentity, formerGroups, refuseFleet } from "./identity.ts";

const LOOK_MS = 2_000;
/** How often to look again while we wait. */
const LOOK_SOON_MS = 500;
/** And whether the ledger has been read: that asks nobody, and no cluster gets a worker before. */
const LOOK_READY_MS = 20;

export type CandidacyDeps = {
  readonly identity: FleetIdentity;
  readonly clusterId: string;
  readonly standby: Pick<Standby, "ready" | "lastFleet">;
  readonly membersOf: (group: string) => Promise<Result<number, KafkaError>>;
  readonly join: () => Result<Membership, KafkaError>;
  readonly trouble: TroubleSpot;
  /** Why we stand by, although nothing is wrong; for people. */
  readonly waiting: (detail: string | undefined) => void;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  /** Whether this process has ever led or stood by: then a refusal makes it step back, not end. */
  readonly history: { hasStood: boolean };
  /** Ends the term, if any, so that its outcomes are written while we are still in the group. */
  readonly beforeLeaving: () => Promise<void>;
  readonly signal: AbortSignal;
};

type Candidacy = { membership: Membership | undefined };

/**
 * Runs until the signal; then the group has been left.
 * @returns an error of configuration if the fleet is refused and this process never led nor stood by
 */
export async function runCandidacy(deps: CandidacyDeps): Promise<Result<null, string>> {
  const { signal } = deps;
  const candidacy: Candidacy = { membership: undefined };
  let ended: string | undefined;
  while (!signal.aborted && ended === undefined) {
    const standing = await standingOf(deps, candidacy.membership !== undefined);
    ended = await comply(deps, candidacy, standing);
    await sleep(pauseMs(deps, standing), signal);
  }
  await deps.beforeLeaving();
  await candidacy.membership?.close();
  return ended === undefined ? ok(null) : err(ended);
}

/** @returns why the process must end; undefined if it goes on */
async function comply(
  { history, identity, standby, join }: CandidacyDeps,
  candidacy: Candidacy,
  standing: StandingNow,
): Promise<string | undefined> {
  const { membership } = candidacy;
  if (standing === "unknown") return undefined;
  if (standing === "refused" && !history.hasStood) {
    return refuseFleet(identity, standby.lastFleet());
  }
  history.hasStood = true;
  if (standing === "candidate" && membership === undefined) {
    const joined = join();
    if (!joined.ok) return joined.error.detail;
    candidacy.membership = joined.value;
  } else if (standing !== "candidate" && membership !== undefined) {
    candidacy.membership = undefined;
    await membership.close();
  }
  return undefined;
}

function pauseMs({ standby }: CandidacyDeps, standing: StandingNow): number {
  if (!standby.ready()) return LOOK_READY_MS;
  return standing === "candidate" ? LOOK_MS : LOOK_SOON_MS;
}

type StandingNow = "candidate" | "refused" | "former" | "unknown";

async function standingOf(deps: CandidacyDeps, isMember: boolean): Promise<StandingNow> {
  const { identity, standby, trouble, log } = deps;
  if (!standby.ready()) return "unknown";
  const refusal = refuseFleet(identity, standby.lastFleet());
  if (refusal !== undefined) {
    if (trouble.note({ detail: refusal, answered: true })) log.error("not leading", { refusal });
    return "refused";
  }
  const members = await formerMembers(deps);
  if (!members.ok) {
    if (trouble.note(troubleOf(members.error))) {
      log.warn("whether an older control plane leads cannot be seen", { ...members.error });
    }
    // A failed question changes nothing.
    return isMember ? "candidate" : "unknown";
  }
  trouble.note(undefined);
  deps.waiting(members.value);
  return members.value === undefined ? "candidate" : "former";
}

/**
 * @returns what is in a group of an older version, for people; an error if none was found and a group
 * cannot be asked
 */
async function formerMembers({
  identity,
  clusterId,
  membersOf,
}: CandidacyDeps): Promise<Result<string | undefined, KafkaError>> {
  let unasked: Result<undefined, KafkaError> = ok(undefined);
  for (const group of formerGroups(identity, clusterId)) {
    const members = await membersOf(group);
    if (!members.ok) unasked = members;
    else if (members.value > 0) {
      return ok(
        `standing by: group ${group} has ${members.value} members, control planes of an older version`,
      );
    }
  }
  return unasked;
}
