/** Numbered migrations: which are to be applied, and when none may be (pure). */
import { err, ok, type Result } from "../result.ts";

export type Migration = {
  /** From 1, without a gap. */
  readonly number: number;
  readonly name: string;
  readonly text: string;
  /** SHA-256 of the text, in hexadecimal digits. */
  readonly checksum: string;
};

export type AppliedMigration = Pick<Migration, "number" | "name" | "checksum">;

/** What is to be applied, in order; or why this program and this database do not fit. */
export function pendingMigrations(
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): Result<readonly Migration[], string> {
  for (const { number, name, checksum } of applied) {
    const ours = known.find((each) => each.number === number);
    if (ours === undefined) return err(newerDatabase(number, name, known.length));
    if (ours.checksum !== checksum) return err(changed(ours, checksum));
  }
  const done = new Set(applied.map(({ number }) => number));
  return ok(known.filter(({ number }) => !done.has(number)));
}

const newerDatabase = (number: number, name: string, last: number): string =>
  `the database has migration ${number} (${name}), this program knows ${last}: ` +
  "a newer version has been here; use that version, or restore the database from before it";

const CHECKSUM_CHARS_SHOWN = 12;

const changed = ({ number, name, checksum }: Migration, found: string): string =>
  `migration ${number} (${name}) was applied with checksum ${found.slice(0, CHECKSUM_CHARS_SHOWN)}, ` +
  `this program has ${checksum.slice(0, CHECKSUM_CHARS_SHOWN)}: it was changed after it was applied; ` +
  "use the program that applied it, or restore the database from before it";
