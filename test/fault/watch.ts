/** Watches a fleet's processes all the time: never may two of one cluster run at once. */
import type { FleetBed } from "../bed/control-plane.ts";

const INTERVAL_MS = 40;

export type Watch = {
  readonly samples: () => number;
  /** What was seen and must not be. */
  readonly wrong: () => readonly string[];
  readonly close: () => Promise<void>;
};

/** Clients of which these pids run, two or more. */
type Pairs = ReadonlyMap<string, ReadonlySet<number>>;

export function watchFleet(fleet: FleetBed): Watch {
  const wrong: string[] = [];
  let samples = 0;
  let closed = false;
  let before: Pairs = new Map();

  /** One walk through /proc takes time: only two that both walks saw ran at once. */
  const look = (): void => {
    const now = doubles(fleet);
    for (const [clientId, pids] of now) {
      const both = [...pids].filter((pid) => before.get(clientId)?.has(pid) === true);
      if (both.length > 1) wrong.push(`${clientId} ran as ${both.join(" and ")}`);
    }
    before = now;
    samples += 1;
  };
  const loop = async (): Promise<void> => {
    while (!closed) {
      look();
      await Bun.sleep(before.size > 0 ? 0 : INTERVAL_MS);
    }
  };
  const ended = loop();
  return {
    samples: () => samples,
    wrong: () => wrong,
    close: async () => {
      closed = true;
      await ended;
    },
  };
}

function doubles(fleet: FleetBed): Pairs {
  const byClient = Map.groupBy(fleet.workers(), ({ clientId }) => clientId);
  return new Map(
    [...byClient]
      .filter(([, workers]) => workers.length > 1)
      .map(([clientId, workers]) => [clientId, new Set(workers.map(({ pid }) => pid))]),
  );
}
