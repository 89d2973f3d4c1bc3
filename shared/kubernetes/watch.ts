/**
 * One watch: a request with a streamed answer. It asks for bookmarks, which the API server's watch cache
 * sends about once a minute. A longer silence means a dead connection, or a server that has seen no event
 * of that kind since its start, which sends no bookmarks.
 */

import type { Clock } from "../clock.ts";
import { parseJsonText } from "../json.ts";
import { err, ok, type Result } from "../result.ts";
import { type KubernetesError, readStatus, statusError, transportError } from "./error.ts";
import { readLines } from "./lines.ts";
import { askedOf, pathOf, queryOf, type Selection } from "./resource.ts";
import type { Transport } from "./transport.ts";
import { type ObjectOrBookmark, readWatchEvent } from "./watch-event.ts";

const OPEN_MS_MAX = 10_000;
const IDLE_MS_MAX = 70_000;
/** The server ends a watch after this time; it is random, or all clients would come back at the same time. */
const TIMEOUT_S_MIN = 240;
const TIMEOUT_S_MAX = 480;
/** etcd stores no object larger than 1.5 MB; escaping may double it. */
const LINE_CHARS_MAX = 8 * 1024 * 1024;
const BODY_CHARS_MAX = 64 * 1024;

/** From a version on, or beginning with all existing objects (KEP-3157). */
export type WatchFrom = { readonly version: bigint } | "initial-events";

export type WatchOptions = {
  readonly transport: Transport;
  readonly selection: Selection;
  readonly from: WatchFrom;
  readonly clock: Clock;
  /** Called when the answer has begun: from now on events come. */
  readonly onOpen: () => void;
  /** Returns false to end the watch; while its promise is pending nothing more is read. */
  readonly onEvent: (event: ObjectOrBookmark) => boolean | Promise<boolean>;
  readonly signal: AbortSignal;
  readonly idleMs?: number;
};

/** A normal end: its time is over, the connection was closed, or we ended it after too long a silence. */
export type WatchEnd = "ended" | "idle";

/** Ok after a normal end: continue from the last version. */
export async function watchOnce(options: WatchOptions): Promise<Result<WatchEnd, KubernetesError>> {
  const { transport, selection, signal } = options;
  const asked = askedOf("watch", selection);
  const opening = openingSignal(signal);
  try {
    const response = await transport.send({
      method: "GET",
      path: `${pathOf(selection)}?${watchQuery(options)}`,
      headers: { accept: selection.accept ?? "application/json" },
      signal: opening.signal,
    });
    opening.done();
    if (!response.ok) {
      const text = (await response.text()).slice(0, BODY_CHARS_MAX);
      return err(statusError(asked, response.status, readStatus(parseJsonText(text) ?? text)));
    }
    if (response.body === null) return ok("ended");
    options.onOpen();
    return await readEvents(options, response.body);
  } catch (cause) {
    return err(transportError(asked, transport.server, cause));
  } finally {
    opening.done();
  }
}

async function readEvents(
  { transport, selection, onEvent, signal, idleMs = IDLE_MS_MAX }: WatchOptions,
  body: ReadableStream<Uint8Array>,
): Promise<Result<WatchEnd, KubernetesError>> {
  const asked = askedOf("watch", selection);
  const enough = new AbortController();
  let failure: KubernetesError | undefined;
  const onLine = async (line: string) => {
    if (enough.signal.aborted) return;
    const read = readWatchEvent(line);
    if (!read.ok) failure = transportError(asked, transport.server, new Error(read.error));
    else if (read.value.kind === "error") {
      failure = statusError(asked, read.value.status.code ?? 500, read.value.status);
    } else if (await onEvent(read.value)) return;
    enough.abort();
  };
  const end = await readLines(
    body,
    {
      idleMs,
      lineCharsMax: LINE_CHARS_MAX,
      signal: AbortSignal.any([signal, enough.signal]),
    },
    onLine,
  );
  if (end === "too-long") {
    const detail = `a line of more than ${LINE_CHARS_MAX} characters`;
    return err(transportError(asked, transport.server, new Error(detail)));
  }
  return failure === undefined ? ok(end === "idle" ? "idle" : "ended") : err(failure);
}

function watchQuery({ selection, from, clock: { random } }: WatchOptions): string {
  const seconds = TIMEOUT_S_MIN + Math.floor(random() * (TIMEOUT_S_MAX - TIMEOUT_S_MIN));
  const common = {
    watch: "true",
    allowWatchBookmarks: "true",
    timeoutSeconds: String(seconds),
  };
  return queryOf(
    selection,
    from === "initial-events"
      ? { ...common, sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" }
      : { ...common, resourceVersion: String(from.version) },
  );
}

/** Aborts the request while it has no answer; afterwards the reader is cancelled instead. */
function openingSignal(signal: AbortSignal): {
  readonly signal: AbortSignal;
  readonly done: () => void;
} {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const late = () => controller.abort(new DOMException("no answer", "TimeoutError"));
  const timer = setTimeout(late, OPEN_MS_MAX);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    done: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    },
  };
}
