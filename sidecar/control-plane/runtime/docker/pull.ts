/**
 * Pulls a missing image: once for all starts that wait for it, with progress in the log, and for longer
 * than one start may take. A failure is remembered for a short time, so that a whole fleet asks a registry
 * only once.
 */

import * as v from "valibot";
import type { Clock } from "../../../../shared/clock.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError } from "../runtime.ts";
import { ask, type EngineError } from "./call.ts";
import type { Engine } from "./engine.ts";

const PROGRESS_MS = 5_000;
/** Less than a start may take (round.ts): a start that has waited that long is tried again later. */
const WAIT_MS_MAX = 90_000;
/**
 * How long a failure is remembered; it doubles with each failure in a row, so that in the end a registry is
 * asked every few minutes.
 */
const FAILURE_MS = 5_000;
const FAILURE_MS_MAX = 300_000;

const Line = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    id: v.optional(v.string()),
    status: v.optional(v.string()),
    error: v.optional(v.string()),
    progressDetail: v.optional(v.object({ current: v.optional(v.number()) })),
  }),
);

type Pulled = Result<null, EngineError>;

export type PullDeps = {
  readonly engine: Pick<Engine, "pull" | "address">;
  readonly log: Log;
  readonly clock: Clock;
};

export type Pull = (image: string, signal: AbortSignal) => Promise<Result<null, RuntimeError>>;

export function puller(deps: PullDeps): Pull {
  const underWay = new Map<string, Promise<Pulled>>();
  const failures = new Map<string, Failure>();
  const begin = (image: string): Promise<Pulled> => {
    const pull = pullOnce(deps, image).then((pulled) => {
      underWay.delete(image);
      if (pulled.ok) failures.delete(image);
      else
        failures.set(
          image,
          failureAfter(failures.get(image), pulled.error, deps.clock.monotonicMs()),
        );
      return pulled;
    });
    underWay.set(image, pull);
    return pull;
  };
  return async (image, signal) => {
    const failed = failures.get(image);
    if (failed !== undefined && deps.clock.monotonicMs() < failed.againAtMs) {
      return err(missing(deps, image, failed.error));
    }
    const pull = underWay.get(image) ?? begin(image);
    const waited = await ask({ what: `pulling ${image}`, ms: WAIT_MS_MAX, signal }, () => pull);
    if (!waited.ok) {
      const detail = `image ${image} is still being pulled; the start is tried again`;
      return err({ code: "timeout", retry: "transient", detail });
    }
    return waited.value.ok ? ok(null) : err(missing(deps, image, waited.value.error));
  };
}

type Failure = {
  readonly error: EngineError;
  readonly inARow: number;
  readonly againAtMs: number;
};

function failureAfter(before: Failure | undefined, error: EngineError, nowMs: number): Failure {
  const inARow = (before?.inARow ?? 0) + 1;
  const waitMs = Math.min(FAILURE_MS_MAX, FAILURE_MS * 2 ** Math.min(inARow - 1, 30));
  return { error, inARow, againAtMs: nowMs + waitMs };
}

const missing = ({ engine }: PullDeps, image: string, error: EngineError): RuntimeError => ({
  code: "no-image",
  retry: "transient",
  detail:
    `image ${image} is not on the engine at ${engine.address} and could not be pulled: ${error.detail}; ` +
    "pull or load it there (docker login and docker pull for a private registry), or set GRAPH_BUILDER_IMAGE",
});

/** A failure during the pull comes as a line of a successful answer. */
async function pullOnce(
  { engine, log, clock: { monotonicMs } }: PullDeps,
  image: string,
): Promise<Pulled> {
  log.info("pulling image", { image });
  const beganMs = monotonicMs();
  const layers = new Map<string, { readonly status: string; readonly bytes: number }>();
  let saidMs = beganMs;
  let failed: string | undefined;
  const onLine = (text: string) => {
    const line = v.safeParse(Line, text);
    if (!line.success) return;
    const { id, status = "", error, progressDetail } = line.output;
    failed ??= error;
    if (id !== undefined) layers.set(id, { status, bytes: progressDetail?.current ?? 0 });
    if (monotonicMs() - saidMs < PROGRESS_MS) return;
    saidMs = monotonicMs();
    log.info("still pulling image", { image, ...progressOf(layers) });
  };
  // Without a signal: the next start finds the pull that this one began.
  const pulled = await engine.pull(image, onLine, new AbortController().signal);
  const seconds = Math.round((monotonicMs() - beganMs) / 100) / 10;
  const error =
    failed === undefined ? pulled : err({ code: "unavailable", detail: failed } as const);
  if (error.ok) log.info("pulled image", { image, seconds, ...progressOf(layers) });
  else log.warn("image could not be pulled", { image, seconds, error: error.error.detail });
  return error;
}

const DONE = /^(?:Pull complete|Already exists|Download complete)/u;

const progressOf = (
  layers: ReadonlyMap<string, { readonly status: string; readonly bytes: number }>,
) => {
  const all = [...layers.values()];
  return {
    layers: all.length,
    layers_done: all.filter(({ status }) => DONE.test(status)).length,
    megabytes: Math.round(all.reduce((sum, { bytes }) => sum + bytes, 0) / 1e5) / 10,
  };
};
