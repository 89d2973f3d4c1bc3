/**
 * What runs, as far as we know: the runtime's last listing, corrected by the outcomes of our own acts
 * since. A listing that began before an act ended says nothing about that act's cluster.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Foreign, InstanceId, Listing, Worker } from "../runtime/runtime.ts";
import { workerNamesOf } from "../worker/spec.ts";

export type Actual = {
  /** False before the first listing, and while listing fails: "unknown" is not "none". */
  readonly listed: () => boolean;
  readonly unlisted: () => void;
  readonly workersOf: (clientId: ClientId) => readonly Worker[];
  /** What has the name of its worker, or the name that the original would give it. */
  readonly foreignOf: (clientId: ClientId) => Foreign | undefined;
  readonly clientIds: () => Iterable<ClientId>;
  readonly count: () => number;
  /** How many have a former name of the fleet, and whether this cluster's has. */
  readonly underAlias: () => number;
  readonly isUnderAlias: (clientId: ClientId) => boolean;
  /** Call it before asking the runtime for a listing, and pass the mark to `fold`. */
  readonly mark: () => number;
  /** Applies a listing; returns the clusters for which something changed, and what exited. */
  readonly fold: (listing: Listing, mark: number) => Changes;
  readonly started: (worker: Worker) => void;
  /** It was started and has ended: a later listing must not report that again. */
  readonly ended: (clientId: ClientId, instance: InstanceId) => void;
  readonly gone: (worker: Worker) => void;
};

export type Changes = {
  readonly changed: ReadonlySet<ClientId>;
  readonly exits: readonly Worker[];
  /** Names of foreign objects that appeared or disappeared. */
  readonly foreign: ReadonlySet<string>;
};

const NONE: readonly Worker[] = [];

/** `aliases`: former names of the fleet. Their workers are ours, and keep that label until they are replaced. */
export function createActual(fleet: string, aliases: readonly string[] = []): Actual {
  const isOurs = (worker: Worker): boolean =>
    worker.fleet === fleet || aliases.includes(worker.fleet);
  let listed = false;
  let sequence = 0;
  let byClient = new Map<ClientId, readonly Worker[]>();
  let foreign = new Map<string, Foreign>();
  /** When, in marks, our own act last changed a cluster. */
  const actedAt = new Map<ClientId, number>();

  const set = (clientId: ClientId, workers: readonly Worker[]): void => {
    if (workers.length === 0) byClient.delete(clientId);
    else byClient.set(clientId, workers);
  };

  const acted = (clientId: ClientId): void => {
    sequence += 1;
    actedAt.set(clientId, sequence);
  };

  const without = (worker: Worker): readonly Worker[] =>
    (byClient.get(worker.clientId) ?? NONE).filter(({ instance }) => instance !== worker.instance);

  const fold = (listing: Listing, mark: number): Changes => {
    const ours = listing.workers.filter(isOurs);
    const next = new Map<ClientId, readonly Worker[]>(Map.groupBy(ours, (w) => w.clientId));
    for (const [clientId, at] of actedAt) {
      if (at <= mark) actedAt.delete(clientId);
      else keep(next, clientId, byClient.get(clientId));
    }
    const news = changesOf(byClient, next);
    const nextForeign = foreignIn(listing, isOurs, actedAt);
    const cameOrWent = symmetricDifference(foreign, nextForeign);
    byClient = next;
    foreign = nextForeign;
    listed = true;
    return { ...news, foreign: cameOrWent };
  };

  return {
    listed: () => listed,
    unlisted: () => {
      listed = false;
    },
    workersOf: (clientId) => byClient.get(clientId) ?? NONE,
    foreignOf: (clientId) => {
      // Nearly always; it is asked for each cluster of each resync.
      if (foreign.size === 0) return undefined;
      const names = workerNamesOf(clientId);
      return names.map((name) => foreign.get(name)).find((held) => held !== undefined);
    },
    clientIds: () => byClient.keys(),
    count: () => byClient.size,
    underAlias: () =>
      [...byClient.values()].flat().filter((worker) => worker.fleet !== fleet).length,
    isUnderAlias: (clientId) =>
      (byClient.get(clientId) ?? NONE).some((worker) => worker.fleet !== fleet),
    mark: () => sequence,
    fold,
    started: (worker) => {
      acted(worker.clientId);
      set(worker.clientId, [...without(worker), worker]);
    },
    ended: (clientId, instance) => {
      acted(clientId);
      const workers = byClient.get(clientId) ?? NONE;
      set(
        clientId,
        workers.map((each) => (each.instance === instance ? exitedOf(each) : each)),
      );
    },
    gone: (worker) => {
      acted(worker.clientId);
      set(worker.clientId, without(worker));
      const held = foreign.get(worker.name)?.takeOver;
      if (held?.instance === worker.instance) foreign.delete(worker.name);
    },
  };
}

/**
 * By the name that is taken. A container that was taken over meanwhile may still be in a listing that began
 * before.
 */
function foreignIn(
  { workers, foreign }: Listing,
  isOurs: (worker: Worker) => boolean,
  actedAt: ReadonlyMap<ClientId, number>,
): Map<string, Foreign> {
  const others = workers.filter((worker) => !isOurs(worker)).map(ofOtherFleet);
  const still = foreign.filter(
    ({ takeOver }) => takeOver === undefined || !actedAt.has(takeOver.clientId),
  );
  return new Map([...still, ...others].map((one) => [one.name, one]));
}

type ByClient = ReadonlyMap<ClientId, readonly Worker[]>;

function changesOf(was: ByClient, is: ByClient): Omit<Changes, "foreign"> {
  const changed = new Set<ClientId>();
  const exits: Worker[] = [];
  for (const clientId of new Set([...was.keys(), ...is.keys()])) {
    const before = was.get(clientId) ?? NONE;
    const after = is.get(clientId) ?? NONE;
    if (same(before, after)) continue;
    changed.add(clientId);
    exits.push(...after.filter((worker) => hasExited(worker, before)));
  }
  return { changed, exits };
}

const ofOtherFleet = ({ name, fleet }: Worker): Foreign => ({
  name,
  detail: `a worker of fleet "${fleet}"; if that is this fleet's former name, set FLEET_ALIASES=${fleet}, and its registration adopts it`,
});

const exitedOf = (worker: Worker): Worker => ({ ...worker, state: "exited" });

function keep(
  next: Map<ClientId, readonly Worker[]>,
  clientId: ClientId,
  workers: readonly Worker[] | undefined,
): void {
  if (workers === undefined) next.delete(clientId);
  else next.set(clientId, workers);
}

const same = (before: readonly Worker[], after: readonly Worker[]): boolean =>
  before.length === after.length &&
  before.every((one, index) => {
    const other = after[index];
    return one.instance === other?.instance && one.state === other.state && one.held === other.held;
  });

/** A worker that had exited when it was first seen is not reported: an earlier leader counted it. */
const hasExited = (worker: Worker, before: readonly Worker[]): boolean =>
  worker.state === "exited" &&
  before.some(({ instance, state }) => instance === worker.instance && state !== "exited");

function symmetricDifference<T>(
  a: ReadonlyMap<string, T>,
  b: ReadonlyMap<string, T>,
): ReadonlySet<string> {
  const names = new Set<string>();
  for (const name of a.keys()) if (!b.has(name)) names.add(name);
  for (const name of b.keys()) if (!a.has(name)) names.add(name);
  return names;
}
