/**
 * Noticing changes: the engine's stream of events, opened anew whenever it ends, from the second of the
 * last event on, so that none is missed between two streams; what comes twice is passed over. An engine
 * that was restarted remembers no events, so whoever listens is told at each opening, too.
 */
import * as v from "valibot";
import { backoffMs } from "../../../../shared/backoff.ts";
import { sleep } from "../../../../shared/deadline.ts";
import { WORKER_NAME_PREFIX } from "../runtime.ts";
import type { DockerContext } from "./context.ts";

/** What may change a listing. */
const ACTIONS = ["create", "start", "die", "destroy", "rename", "pause", "unpause"] as const;
const RETRY_BASE_MS = 200;
const RETRY_MAX_MS = 5_000;

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

/** Beyond what a JSON number holds. */
const TIME_NANO = /"timeNano":(?<nano>\d{1,20})/u;

export type Watched = Pick<DockerContext, "died" | "log" | "random" | "monotonicMs"> & {
  readonly engine: Pick<DockerContext["engine"], "events" | "openedAtSeconds">;
};

export async function watchEvents(
  context: Watched,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { engine, log, random } = context;
  const position: Position = { since: engine.openedAtSeconds, seen: new Set() };
  let failures = 0;
  const notify = () => {
    if (!signal.aborted) onChange();
  };
  while (!signal.aborted) {
    const beganMs = context.monotonicMs();
    let heard = false;
    const onLine = (line: string) => {
      const event = newEvent(line, position);
      if (event === undefined) return;
      heard = true;
      if (keepDeath(context, event)) notify();
    };
    const { since } = position;
    const ended = await engine.events({ since, actions: ACTIONS, onOpen: notify, onLine }, signal);
    if (signal.aborted) return;
    // One that ends at once and says nothing new, again and again, must not be asked for at once.
    const lasted = heard || context.monotonicMs() - beganMs >= RETRY_MAX_MS;
    if (lasted) failures = 0;
    if (lasted && (ended.ok || ended.error.code === "timeout")) continue;
    if (failures === 0) {
      const error = ended.ok ? "the engine closed the stream" : ended.error.detail;
      log.warn("the engine's events ended; asking again", { error });
    }
    failures += 1;
    const retry = { baseMs: RETRY_BASE_MS, maxMs: RETRY_MAX_MS, random };
    await sleep(backoffMs(failures, retry), signal);
  }
}

/** The second of the last event, and what was seen of that second: all that comes twice. */
type Position = { since: number; readonly seen: Set<string> };
type EngineEvent = v.InferOutput<typeof Event>;

/** Moves the position on, or back with the engine's clock; undefined for what comes again, or is no event. */
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

/** Remembers who died. Is it about a worker? */
function keepDeath({ died }: Watched, { Action: action, Actor: actor }: EngineEvent): boolean {
  const { name = "", oldName = "" } = actor.Attributes;
  const names = [name, oldName.replace(/^\//u, "")];
  if (!names.some((each) => each.startsWith(WORKER_NAME_PREFIX))) return false;
  if (action === "die") died.add(actor.ID);
  if (action === "start") died.delete(actor.ID);
  return true;
}
