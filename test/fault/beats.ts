/** Clusters that beat, each on its own: one whose beats fail holds up no other. */
import type { Sender } from "../bed/sender.ts";

const INTERVAL_MS = 400;

type More = Readonly<Record<string, unknown>>;

export type Beats = {
  /** From now on it beats, with `more` in each beat. */
  readonly on: (clientId: string, more?: () => More) => void;
  /** From now on it is silent; a beat under way may still arrive. */
  readonly off: (clientId: string) => void;
  readonly allOff: () => void;
  readonly beating: () => readonly string[];
  readonly close: () => Promise<void>;
};

export function openBeats(sender: Sender, intervalMs = INTERVAL_MS): Beats {
  const running = new Map<string, AbortController>();
  const loops = new Set<Promise<void>>();
  const beat = async (clientId: string, more: () => More, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await sender.beat(clientId, more()).catch(() => undefined);
      await Bun.sleep(intervalMs);
    }
  };
  const off = (clientId: string): void => {
    running.get(clientId)?.abort();
    running.delete(clientId);
  };
  const allOff = (): void => {
    for (const clientId of [...running.keys()]) off(clientId);
  };
  return {
    on: (clientId, more = () => ({})) => {
      if (running.has(clientId)) return;
      const stop = new AbortController();
      running.set(clientId, stop);
      const loop = beat(clientId, more, stop.signal).finally(() => loops.delete(loop));
      loops.add(loop);
    },
    off,
    allOff,
    beating: () => [...running.keys()],
    close: async () => {
      allOff();
      await Promise.all(loops);
    },
  };
}
