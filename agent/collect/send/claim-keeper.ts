/** Keeps the note of a life (claim.ts), and stands by while another life's is kept. */
import type { Clock } from "../../../shared/clock.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Log } from "../../../shared/log.ts";
import { type Claim, isFree, isSuperseded, nextSeen, type OtherClaim } from "./claim.ts";
import type { ClaimNotes } from "./claim-note.ts";

const LOOK_MS = 5000;
const END_MS_MAX = 3000;

export type ClaimKeeper = {
  /** To be called every few seconds. The other life, if one began after ours. */
  readonly keep: (signal: AbortSignal) => Promise<Claim | undefined>;
  /** Lets those who stand by begin at once. */
  readonly end: () => Promise<void>;
};

export function openClaimKeeper(
  notes: ClaimNotes,
  { life, began, topicId }: Pick<Claim, "life" | "began" | "topicId">,
  log: Log,
): ClaimKeeper {
  let own: Claim = { life, began, topicId, turn: 0, state: "collects" };
  let isSaid = false;
  const complain = ({ detail }: KafkaError) => {
    if (!isSaid) log.warn("two agents with this client id would not be noticed", { detail });
    isSaid = true;
  };
  const write = async (state: Claim["state"], signal: AbortSignal) => {
    own = { ...own, state, turn: own.turn + 1 };
    const written = await notes.write(own, signal);
    if (!written.ok) complain(written.error);
  };
  const other = async (signal: AbortSignal): Promise<Claim | undefined> => {
    const found = await notes.read(signal);
    if (found.ok) return isSuperseded(own, found.value) ? found.value : undefined;
    complain(found.error);
    return undefined;
  };
  return {
    keep: async (signal) => {
      const found = await other(signal);
      if (found === undefined && !signal.aborted) await write("collects", signal);
      return found;
    },
    end: async () => {
      const signal = AbortSignal.timeout(END_MS_MAX);
      if ((await other(signal)) === undefined) await write("ended", signal);
    },
  };
}

/** Resolves when the other life has ended, or has said nothing for long enough, or the signal aborts. */
export async function standBy(
  notes: ClaimNotes,
  first: Claim,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let standby: OtherClaim = { claim: first, sinceMs: clock.monotonicMs() };
  while (!signal.aborted && !isFree(standby, clock.monotonicMs())) {
    await clock.sleep(LOOK_MS, signal);
    const found = await notes.read(signal);
    // Who cannot ask does not know that nobody is there.
    if (!found.ok) standby = { ...standby, sinceMs: clock.monotonicMs() };
    else if (found.value !== undefined) {
      standby = nextSeen(standby, found.value, clock.monotonicMs());
    }
  }
}
