/**
 * Drives a fleet at random: registrations, tombstones, beats, silences. It remembers what must come
 * of it. Three kinds of clusters:
 *  - steady: registered once, beat always; their one worker must outlive everything;
 *  - kept: registered once, silent now and then; their group must never be deleted;
 *  - churned: anything, a tombstone right behind a registration included.
 */

import type { Sender } from "../bed/sender.ts";
import type { Beats } from "./beats.ts";
import type { Groups } from "./groups.ts";
import type { Chance } from "./random.ts";

const STEADY = 4;
const KEPT = 6;
const CHURNED = 12;
/** Silent clusters at most, of all registered: below the brake's 30 % also when some are withdrawn. */
const SILENT_SHARE_MAX = 0.2;
/** Of the group offsets that the driver commits: the kept clusters' and the others'. */
const KEPT_OFFSET = 42;
const CHURNED_OFFSET = 7;

export type Wanted = {
  /** Registered and beating: one worker. */
  readonly live: readonly string[];
  /** Registered and silent: none, the group kept. */
  readonly dead: readonly string[];
  /** None, the group deleted. */
  readonly withdrawn: readonly string[];
};

export type Driver = {
  readonly steady: readonly string[];
  readonly kept: readonly string[];
  /** Registers those that are never withdrawn; their groups have committed offsets then. */
  readonly begin: () => Promise<void>;
  /** One random operation; resolves to what was done when Kafka has it. */
  readonly step: () => Promise<string>;
  readonly wanted: () => Wanted;
  readonly everWithdrawn: () => ReadonlySet<string>;
};

export function createDriver(deps: {
  readonly sender: Sender;
  readonly beats: Beats;
  readonly groups: Groups;
  readonly chance: Chance;
}): Driver {
  const { sender, beats, groups, chance } = deps;
  const steady = named("steady", STEADY);
  const kept = named("kept", KEPT);
  const churned = named("churned", CHURNED);
  const registered = new Set<string>();
  const everWithdrawn = new Set<string>();

  const silent = () => [...registered].filter((id) => !beats.beating().includes(id));
  const maySilence = () => silent().length + 1 <= SILENT_SHARE_MAX * registered.size;

  const register = async (id: string): Promise<string> => {
    await groups.commit(id, CHURNED_OFFSET);
    await sender.register(id, { version: `v${Math.floor(chance.between(0, 100))}` });
    registered.add(id);
    beats.on(id);
    return `register ${id}`;
  };
  const withdraw = async (id: string): Promise<string> => {
    everWithdrawn.add(id);
    await sender.withdraw(id);
    registered.delete(id);
    // An agent may beat on after its tombstone: that must not revive it.
    if (chance.next() < 0.5) beats.off(id);
    return `withdraw ${id}`;
  };
  const bounce = async (id: string): Promise<string> => {
    await withdraw(id);
    await sender.register(id);
    registered.add(id);
    beats.on(id);
    return `withdraw and register ${id}`;
  };
  const expiry = (id: string): Promise<string> => {
    beats.off(id);
    return Promise.resolve(`silence ${id}`);
  };
  const speak = (id: string): Promise<string> => {
    beats.on(id);
    return Promise.resolve(`beat ${id}`);
  };

  const step = (): Promise<string> => {
    const dice = chance.next();
    const id = chance.pick(churned) ?? "";
    if (dice < 0.3) return register(id);
    if (dice < 0.5) return withdraw(id);
    if (dice < 0.6) return bounce(id);
    const quiet = chance.pick(silent());
    if (dice < 0.8 && quiet !== undefined) return speak(quiet);
    const loud = [...kept, ...churned].filter(
      (one) => registered.has(one) && !silent().includes(one),
    );
    const next = chance.pick(loud);
    if (next === undefined || !maySilence()) return register(id);
    return expiry(next);
  };

  return {
    steady,
    kept,
    begin: async () => {
      for (const id of kept) await groups.commit(id, KEPT_OFFSET);
      for (const id of [...steady, ...kept]) {
        await sender.register(id);
        registered.add(id);
        beats.on(id);
      }
    },
    step,
    wanted: () => {
      const dead = silent();
      return {
        live: [...registered].filter((id) => !dead.includes(id)).sort(),
        dead: dead.sort(),
        withdrawn: churned.filter((id) => everWithdrawn.has(id) && !registered.has(id)),
      };
    },
    everWithdrawn: () => everWithdrawn,
  };
}

export const KEPT_COMMITTED = KEPT_OFFSET;

const named = (kind: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${kind}-${index}`);
