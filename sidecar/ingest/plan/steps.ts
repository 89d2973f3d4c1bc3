/**
 * A batch as steps, each of which one statement or two carry out (pure). Rows that follow each other are one step; a
 * mark and a scope speak of all rows before them, and stand alone.
 *
 * A cluster has one life at a time: of records of another one, only their number is kept. An agent that ended may
 * still have records in flight, and a second agent with the same client id would undo what the first one says.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { ClusterInfoMessage } from "../../../shared/protocol/cluster-info.ts";
import type { DeadLetter, Item, RecordPlace } from "../decode/records.ts";

type MessageOf<T extends ClusterInfoMessage["type"]> = Extract<ClusterInfoMessage, { type: T }>;

/** One object at one offset: what it became, or that it is gone. */
export type Version = RecordPlace & (MessageOf<"object"> | MessageOf<"tombstone">);

/** A life that a cluster has from here on; `begin` is absent when its records came without one. */
export type NewLife = RecordPlace & {
  readonly clientId: ClientId;
  readonly life: string;
  readonly begin?: MessageOf<"begin">["begin"];
};

export type BatchStep =
  | { readonly type: "rows"; readonly versions: readonly Version[] }
  | { readonly type: "scope"; readonly at: RecordPlace; readonly message: MessageOf<"scope"> }
  | { readonly type: "mark"; readonly at: RecordPlace; readonly message: MessageOf<"mark"> };

export type ForeignRecords = {
  readonly clientId: ClientId;
  readonly life: string;
  readonly count: number;
  readonly atMs: number;
};

export type Steps = {
  readonly steps: readonly BatchStep[];
  readonly lives: readonly NewLife[];
  /** One entry a cluster: records of a life that is not its own, and the last of these lives. */
  readonly foreign: readonly ForeignRecords[];
  readonly deadLetters: readonly (Item & { readonly letter: DeadLetter })[];
  /** The latest time of each cluster's own records. */
  readonly heard: ReadonlyMap<ClientId, number>;
};

/** @param known each cluster's life so far */
export function stepsOf(items: readonly Item[], known: ReadonlyMap<string, string>): Steps {
  const fold = openFold(known);
  for (const item of items) {
    if (item.read.ok) fold.add(item, item.read.value);
    else fold.deadLetters.push({ ...item, letter: item.read.error });
  }
  const { steps, lives, foreign, deadLetters, heard } = fold;
  return { steps, lives, foreign: [...foreign.values()], deadLetters, heard };
}

function openFold(known: ReadonlyMap<string, string>) {
  const current = new Map(known);
  const steps: BatchStep[] = [];
  const lives: NewLife[] = [];
  const foreign = new Map<ClientId, ForeignRecords>();
  const deadLetters: (Item & { readonly letter: DeadLetter })[] = [];
  const heard = new Map<ClientId, number>();
  let rows: Version[] | undefined;

  const addRow = (version: Version) => {
    if (rows === undefined) {
      rows = [];
      steps.push({ type: "rows", versions: rows });
    }
    rows.push(version);
  };

  const begin = (
    place: RecordPlace,
    clientId: ClientId,
    life: string,
    message?: MessageOf<"begin">,
  ) => {
    current.set(clientId, life);
    const more = message === undefined ? {} : { begin: message.begin };
    lives.push({ ...{ offset: place.offset, atMs: place.atMs, clientId, life }, ...more });
  };

  /** False: of another life. */
  const isOwn = (place: RecordPlace, clientId: ClientId, life: string): boolean => {
    const own = current.get(clientId);
    // Compaction leaves records of a life whose beginning it has taken away.
    if (own === undefined) begin(place, clientId, life);
    if (own === undefined || own === life) return true;
    const count = (foreign.get(clientId)?.count ?? 0) + 1;
    foreign.set(clientId, { clientId, life, count, atMs: place.atMs });
    return false;
  };

  const addStep = (at: RecordPlace, message: Exclude<ClusterInfoMessage, { type: "begin" }>) => {
    if (message.type === "object" || message.type === "tombstone") {
      addRow({ ...at, ...message });
      return;
    }
    rows = undefined;
    if (message.type === "mark") steps.push({ type: "mark", at, message });
    else steps.push({ type: "scope", at, message });
  };

  const add = ({ offset, atMs }: Item, message: ClusterInfoMessage): void => {
    const { clientId } = message;
    const at = { offset, atMs };
    if (message.type === "begin") {
      const { life } = message.begin;
      if (current.get(clientId) !== life) begin(at, clientId, life, message);
    } else {
      const life = lifeOf(message);
      if (life !== undefined && !isOwn(at, clientId, life)) return;
      addStep(at, message);
    }
    heard.set(clientId, atMs);
  };

  return { add, steps, lives, foreign, deadLetters, heard };
}

/** Undefined of a tombstone that names none: an operator's, which counts in any life. */
function lifeOf(message: Exclude<ClusterInfoMessage, { type: "begin" }>): string | undefined {
  return message.type === "scope" ? message.scope.life : message.source?.life;
}
