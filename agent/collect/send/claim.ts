/**
 * Which of several agents collects for a client id: the one whose life began last, by the offset of its
 * `_begin`. Readers drop what the others send, so the others must notice. Each leaves a note beside an
 * offset that it commits in a group of its own: `<life> <turn> <state> <topic id>`, the offset is that of
 * its `_begin`. Pure.
 *
 * Two notes that cross harm nobody: whoever began last writes its own again.
 */

export type Claim = {
  /** Offset of the life's first record: later lives have greater ones, in one topic. */
  readonly began: number;
  readonly topicId: string;
  readonly life: string;
  /** Grows as long as its agent lives. */
  readonly turn: number;
  readonly state: "collects" | "ended";
};

const NOTE =
  /^(?<life>[0-9a-f]{16}) (?<turn>\d{1,15}) (?<state>collects|ended) (?<topicId>\S{1,64})$/u;
/** One whose note is the same for so long lives no more. */
const SILENT_MS_MAX = 60_000;

export const claimNote = ({ life, turn, state, topicId }: Claim): string =>
  `${life} ${turn} ${state} ${topicId}`;

/** Undefined: no note of ours. */
export function readClaim(began: number, note: string): Claim | undefined {
  const { life, turn, state, topicId } = NOTE.exec(note)?.groups ?? {};
  if (life === undefined || topicId === undefined) return undefined;
  return {
    began,
    life,
    topicId,
    turn: Number(turn),
    state: state === "ended" ? "ended" : "collects",
  };
}

/** Did another life begin after ours, in the same topic? */
export const isSuperseded = (own: Claim, found: Claim | undefined): boolean =>
  found !== undefined &&
  found.life !== own.life &&
  found.topicId === own.topicId &&
  found.began > own.began;

export type OtherClaim = { readonly claim: Claim; readonly sinceMs: number };

/** When the note that is there now was first seen. */
export const nextSeen = (
  before: OtherClaim | undefined,
  claim: Claim,
  nowMs: number,
): OtherClaim =>
  before !== undefined && claimNote(before.claim) === claimNote(claim)
    ? before
    : { claim, sinceMs: nowMs };

/** May one that stands by begin another life? */
export const isFree = ({ claim, sinceMs }: OtherClaim, nowMs: number): boolean =>
  claim.state === "ended" || nowMs - sinceMs >= SILENT_MS_MAX;
