/**
 * Notices changes: follows the engine's stream of events, and opens it again whenever it ends, from the
 * second of the last event on, so that no event is missed in between; events that come twice are skipped. A
 * restarted engine has forgotten its events, so listeners are also called at each opening.
 */
import * as v from "valibot";
import { repeat, type Turn } from "../../../../shared/retry.ts";
import { WORKER_NAME_PREFIX } from "../runtime.ts";
import type { DockerContext } from "./context.ts";

/** What may change a listing. */
const ACTIONS = ["create", "start", "die", "destroy", "rename", "pause", "unpause"] as const;
const RETRY = { baseMs: 200, maxMs: 5_000 } as const;

const Event = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    time: v.number(),
    Action: v.string(),
    Actor: v.object({
      ID: v.string(),
      Attributes: v.object({ name: v.optional(v.string()), oldName: v.optional(v.string()) }),
    }),
  }),
);

/** Too large for a JSON number. */
const TIME_NANO = /"timeNano":(?<nano>\d{1,20})/u;

export type Watched = Pick<DockerContext, "died" | "log" | "clock"> & {
  readonly engine: Pick<DockerContext["engine"], "events" | "openedAtSeconds">;
};

export async function watchEvents(
  context: Watched,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { engine, log, clock } = context;
  const position: Position = { since: engine.openedAtSeconds, seen: new Set() };
  const notify = () => {
    if (!signal.aborted) onChange();
  };
  const listen = async (failures: number): Promise<Turn> => {
    const beganMs = clock.monotonicMs();
    let heard = false;
    const onLine = (line: string) => {
      const event = newEvent(line, position);
      if (event === undefined) return;
      heard = true;
      if (keepDeath(context, event)) notify();
    };
    const { since } = position;
    const ended = await engine.events({ since, actions: ACTIONS, onOpen: notify, onLine }, signal);
    if (signal.aborted) return "over";
    // A stream that ends at once and without a new event, again and again, must not be reopened at once.
    const lasted = heard || clock.monotonicMs() - beganMs >= RETRY.maxMs;
    if (lasted && (ended.ok || ended.error.code === "timeout")) return "again";
    if (lasted || failures === 0) {
      const error = ended.ok ? "the engine closed the stream" : ended.error.detail;
      log.warn("the engine's events ended; asking again", { error });
    }
    return lasted ? "lapsed" : "failed";
  };
  await repeat(listen, { ...RETRY, clock }, signal);
}

/** The second of the last event, and the events already seen in that second, which may come twice. */
type Position = { since: number; readonly seen: Set<string> };
type EngineEvent = v.InferOutput<typeof Event>;

/** Moves the position forward, or back with the engine's clock; undefined for a repeated event, or no event. */
function newEvent(line: string, position: Position): EngineEvent | undefined {
  const read = v.safeParse(Event, line);
  if (!read.success) return undefined;
  const { time, Action: action, Actor: actor } = read.output;
  const key = `${TIME_NANO.exec(line)?.groups?.["nano"]} ${action} ${actor.ID}`;
  if (time !== position.since) {
    position.since = time;
    position.seen.clear();
  }
  if (position.seen.has(key)) return undefined;
  position.seen.add(key);
  return read.output;
}

/** Remembers containers that died. @returns whether it is about a worker */
function keepDeath({ died }: Watched, { Action: action, Actor: actor }: EngineEvent): boolean {
  const { name = "", oldName = "" } = actor.Attributes;
  const names = [name, oldName.replace(/^\//u, "")];
  if (!names.some((each) => each.startsWith(WORKER_NAME_PREFIX))) return false;
  if (action === "die") died.add(actor.ID);
  if (action === "start") died.delete(actor.ID);
  return true;
}
