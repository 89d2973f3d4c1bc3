/** Tells a story in numbered lines, each with the time that it took. */

export type Telling = {
  /** Does the work, and prints what it returns with the time measured. @throws StepFailed */
  readonly step: (title: string, work: () => Promise<string>) => Promise<void>;
  /** Prints a line that is no step. */
  readonly say: (line: string) => void;
};

/** A step that did not happen. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
}

export type Screen = {
  readonly write: (text: string) => void;
  /** A line may be written over while its step is under way. */
  readonly terminal: boolean;
  readonly monotonicMs: () => number;
};

const CLEAR_LINE = "\r\u001b[K";
const INDENT = " ".repeat(13);

export const secondsText = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export function openTelling({ write, terminal, monotonicMs }: Screen): Telling {
  let number = 0;
  const head = (time: string) => `${String(number).padStart(2)}. ${time.padStart(7)}  `;
  return {
    say: (line) => write(`${line}\n`),
    step: async (title, work) => {
      number += 1;
      const sinceMs = monotonicMs();
      const took = () => secondsText(monotonicMs() - sinceMs);
      if (terminal) write(`${head("…")}${title} …`);
      try {
        const seen = await work();
        const [first = "", ...rest] = seen.split("\n");
        write(`${terminal ? CLEAR_LINE : ""}${head(took())}${title}: ${first}\n`);
        for (const line of rest) write(`${INDENT}${line}\n`);
      } catch (cause) {
        write(`${terminal ? CLEAR_LINE : ""}${head(took())}${title}: FAILED\n`);
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new StepFailed(`step ${number} did not happen (${title}): ${why}`, { cause });
      }
    },
  };
}
