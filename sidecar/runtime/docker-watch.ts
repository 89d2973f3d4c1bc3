/**
 * Noticing changes: the engine's stream of events, opened anew whenever it ends, from the second of the
 * last event on, so that none is missed between two streams; what comes twice is passed over. An engine
 * that was restarted remembers no events, so whoever listens is told at each opening, too.
 */
import * as v from "valibot";
import { backoffMs } from "../../shared/backoff.ts";
import { sleep } from "../../shared/deadline.ts";
import type { Context } from "./docker-context.ts";
import { WORKER_NAME_PREFIX } from "./runtime.ts";

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

export async function watchEvents(
  context: Context,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { engine, random, log } = context;
  const position: Position = { since: engine.openedAtSeconds, nano: 0n };
  let failures = 0;
  const notify = () => {
    if (!signal.aborted) onChange();
  };
  while (!signal.aborted) {
    const ended = await engine.events(
      {
        since: position.since,
        actions: ACTIONS,
        onOpen: () => {
          failures = 0;
          notify();
        },
        onLine: (line) => {
          if (isNews(context, line, position)) notify();
        },
      },
      signal,
    );
    const isQuiet = ended.ok || ended.error.code === "timeout";
    if (signal.aborted || isQuiet) continue;
    if (failures === 0)
      log.warn("the engine's events ended; asking again", { error: ended.error.detail });
    const retry = { baseMs: RETRY_BASE_MS, maxMs: RETRY_MAX_MS, random };
    failures += 1;
    await sleep(backoffMs(failures, retry), signal);
  }
}

type Position = { since: number; nano: bigint };

/** Moves the position on, and remembers who died. */
function isNews({ died }: Context, line: string, position: Position): boolean {
  const event = v.safeParse(Event, line);
  const nano = BigInt(TIME_NANO.exec(line)?.groups?.["nano"] ?? 0);
  if (!event.success || nano <= position.nano) return false;
  position.nano = nano;
  position.since = event.output.time;
  const { ID: id, Attributes: attributes } = event.output.Actor;
  const { name = "", oldName = "" } = attributes;
  const names = [name, oldName.replace(/^\//u, "")];
  if (!names.some((each) => each.startsWith(WORKER_NAME_PREFIX))) return false;
  if (event.output.Action === "die") died.add(id);
  if (event.output.Action === "start") died.delete(id);
  return true;
}
