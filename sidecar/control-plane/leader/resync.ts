/** Keeping up with the runtime: a listing whenever it says that something changed, and as a resync. */
import { sleep, withDeadline } from "../../../shared/deadline.ts";
import type { Log } from "../../../shared/log.ts";
import { err, type Result } from "../../../shared/result.ts";
import { foldChanges, type Moment, type Outcomes, touchAll } from "../act/outcome.ts";
import type { Inbox } from "../inbox.ts";
import type { Listing, Runtime, RuntimeError } from "../runtime/runtime.ts";
import type { Book } from "../state/leader-state.ts";

const LISTING_RETRY_MS = 1_000;
const LISTING_MS_MAX = 30_000;

export type ListingDeps = {
  readonly book: Book;
  readonly runtime: Runtime;
  readonly inbox: Inbox;
  readonly settings: { readonly reconcileIntervalMs: number };
  readonly moment: () => Moment;
  readonly outcomes: Outcomes;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/** Runs until the signal. Several changes during one listing make one more listing. */
export async function keepListing(deps: ListingDeps): Promise<void> {
  const { runtime, signal, settings } = deps;
  let asked = new AbortController();
  let resyncedMs = deps.moment().monotonicMs;
  runtime.watch(() => asked.abort(), signal);
  while (!signal.aborted) {
    asked = new AbortController();
    const listed = await listOnce(deps);
    const nowMs = deps.moment().monotonicMs;
    if (listed && nowMs - resyncedMs >= settings.reconcileIntervalMs) {
      resyncedMs = nowMs;
      touchAll(deps.book, runtime.runtime);
      deps.inbox.wake();
    }
    const pauseMs = listed ? settings.reconcileIntervalMs : LISTING_RETRY_MS;
    await sleep(pauseMs, AbortSignal.any([asked.signal, signal]));
  }
}

async function listOnce(deps: ListingDeps): Promise<boolean> {
  const { book, runtime, inbox, log, signal } = deps;
  const mark = book.actual.mark();
  const wasListed = book.actual.listed();
  const listed = await list(runtime, signal);
  if (signal.aborted) return false;
  if (listed.ok) {
    foldChanges(book, book.actual.fold(listed.value, mark), deps.moment(), deps.outcomes);
    if (!wasListed) afterBlindness(book, runtime.runtime);
  } else {
    book.actual.unlisted();
    log.warn("the workers could not be listed; nothing is started or stopped meanwhile", {
      runtime: runtime.runtime,
      error: listed.error.detail,
    });
  }
  inbox.wake();
  return listed.ok;
}

/** Now it is known what runs: what the ledger says of workers that are gone is mended. */
function afterBlindness(book: Book, runtime: string): void {
  touchAll(book, runtime);
  for (const clientId of book.savedUnlisted) book.unsaved.add(clientId);
  book.savedUnlisted.clear();
}

async function list(
  runtime: Runtime,
  signal: AbortSignal,
): Promise<Result<Listing, Pick<RuntimeError, "detail">>> {
  try {
    return await withDeadline(runtime.list(signal), LISTING_MS_MAX, "listing the workers");
  } catch (cause) {
    return err({ detail: cause instanceof Error ? cause.message : String(cause) });
  }
}
