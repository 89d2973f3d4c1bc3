/**
 * What versions of objects, in offset order, do to the rows that are there (pure).
 *
 * Invariants (test/sidecar/ingest/plan/changes.test.ts, against a model that applies one version at a time): each
 * content an object ever had is in its row or in the history, once, from when to when it had it; an unchanged
 * hash makes no history; another projection of the same agent changes the row in place.
 */
import type { Version } from "./steps.ts";

/** What a row is known by; texts, as none of them holds a "/". */
export type RowKey = { readonly clientId: string; readonly kind: string; readonly uid: string };

export type ExistingRow = {
  readonly hash: string;
  readonly projection: string;
  /** Unix ms. */
  readonly validFromMs: number;
};

type ObjectVersion = Extract<Version, { type: "object" }>;

/** Why a version ended. */
export type Ending = "changed" | "deleted";

export type RowChanges = {
  /** Rows as they are to be, new ones and others; one a key. */
  readonly upserts: readonly { readonly version: ObjectVersion; readonly validFromMs: number }[];
  /** Which pass each living row belongs to now; one a key. */
  readonly passes: readonly (RowKey & { readonly pass: string })[];
  /** The content that is in the row now goes to the history; one a key. */
  readonly closings: readonly (RowKey & { readonly validToMs: number; readonly ending: Ending })[];
  /** Content that came and went within these versions. */
  readonly history: readonly {
    readonly version: ObjectVersion;
    readonly validFromMs: number;
    readonly validToMs: number;
    readonly ending: Ending;
  }[];
  /** Rows that are gone; one a key. */
  readonly removals: readonly RowKey[];
};

export const rowKeyText = ({ clientId, kind, uid }: RowKey): string => `${clientId}/${kind}/${uid}`;

/** Of one object, while its versions are gone through. */
type State = {
  readonly key: RowKey;
  readonly isStored: boolean;
  row: Living | undefined;
  pass: string;
};
type Living = ExistingRow & {
  /** Undefined: its content is what the database has. */
  readonly version: ObjectVersion | undefined;
};

type Draft = { [F in "closings" | "history"]: RowChanges[F][number][] };

export function changesOf(
  versions: readonly Version[],
  existing: ReadonlyMap<string, ExistingRow>,
): RowChanges {
  const states = new Map<string, State>();
  const draft: Draft = { closings: [], history: [] };
  for (const version of versions) {
    const { clientId, kind, uid } = version;
    const text = rowKeyText(version);
    const stored = existing.get(text);
    const state = states.get(text) ?? {
      ...{ key: { clientId, kind, uid }, isStored: stored !== undefined, pass: "" },
      row: stored === undefined ? undefined : { ...stored, version: undefined },
    };
    states.set(text, state);
    if (version.type === "tombstone") end(state, version.atMs, "deleted", draft);
    else become(state, version, draft);
  }
  return { ...draft, ...results([...states.values()]) };
}

function become(state: State, version: ObjectVersion, draft: Draft): void {
  const { row } = state;
  const { hash } = version.record;
  const { projection, pass } = version.source;
  state.pass = pass;
  if (row !== undefined && row.hash === hash && row.projection === projection) return;
  if (row !== undefined && row.projection !== projection) {
    state.row = { hash, projection, validFromMs: row.validFromMs, version };
    return;
  }
  const validFromMs = Math.max(version.atMs, row?.validFromMs ?? 0);
  end(state, version.atMs, "changed", draft);
  state.row = { hash, projection, validFromMs, version };
}

function end(state: State, atMs: number, ending: Ending, draft: Draft): void {
  const { row, key } = state;
  if (row === undefined) return;
  const { validFromMs, version } = row;
  // Of a cluster that moved to another partition, the clocks may differ.
  const validToMs = Math.max(atMs, validFromMs);
  if (version === undefined) draft.closings.push({ ...key, validToMs, ending });
  else draft.history.push({ version, validFromMs, validToMs, ending });
  state.row = undefined;
}

function results(states: readonly State[]): Pick<RowChanges, "upserts" | "passes" | "removals"> {
  return {
    upserts: states.flatMap(({ row }) =>
      row?.version === undefined ? [] : [{ version: row.version, validFromMs: row.validFromMs }],
    ),
    passes: states.flatMap(({ row, key, pass }) => (row === undefined ? [] : [{ ...key, pass }])),
    removals: states.flatMap(({ row, key, isStored }) =>
      row === undefined && isStored ? [key] : [],
    ),
  };
}
