/** How a bench prints its results: one JSON line per figure. */

export type Bar =
  | { readonly atLeast: number }
  | { readonly atMost: number }
  | { readonly below: number };

export type Figure = {
  readonly bench: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  readonly bar?: Bar;
};

const DIGITS = 4;

/** Prints `{"bench","figure","value","unit","bar","holds"}`; the last two only if there is a bar. */
export function figure({ bench, figure: name, value, unit, bar }: Figure): void {
  const rounded = Number(value.toPrecision(DIGITS));
  const line = { bench, figure: name, value: rounded, unit };
  const judged = bar === undefined ? {} : judge(value, bar);
  process.stdout.write(`${JSON.stringify({ ...line, ...judged })}\n`);
}

function judge(value: number, bar: Bar): { readonly bar: string; readonly holds: boolean } {
  if ("atLeast" in bar) return { bar: `>=${bar.atLeast}`, holds: value >= bar.atLeast };
  if ("atMost" in bar) return { bar: `<=${bar.atMost}`, holds: value <= bar.atMost };
  return { bar: `<${bar.below}`, holds: value < bar.below };
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** By nearest rank; NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(0, Math.ceil(share * sorted.length) - 1);
  return sorted[rank] ?? Number.NaN;
}
