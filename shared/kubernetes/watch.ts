/**
 * One watch: a request whose answer goes on. Bookmarks are asked for, which come about once a minute
 * (watch-cache of the API server), so that silence for longer means a dead connection, or a server
 * that has seen no event of that kind since its start: it sends none then.
 */
import { err, ok, type Result } from "../result.ts";
import { type KubernetesError, readStatus, statusError, transportError } from "./error.ts";
import { readLines } from "./lines.ts";
import { askedOf, pathOf, queryOf, type Selection } from "./resource.ts";
import type { Transport } from "./transport.ts";
import { readWatchEvent, type WatchEvent } from "./watch-event.ts";

const OPEN_MS_MAX = 10_000;
const IDLE_MS_MAX = 70_000;
/** The server ends a watch after it; at random, or all clients would come back at once. */
const TIMEOUT_S_MIN = 240;
const TIMEOUT_S_MAX = 480;
/** etcd holds no larger object than 1.5 MB; escaped it may double. */
const LINE_CHARS_MAX = 8 * 1024 * 1024;
const BODY_CHARS_MAX = 64 * 1024;

/** From a version on, or with all there is first (KEP-3157) and from there on. */
export type WatchFrom = { readonly version: bigint } | "initial-events";

export type WatchOptions = {
  readonly transport: Transport;
  readonly selection: Selection;
  readonly from: WatchFrom;
  readonly random: () => number;
  /** The answer has begun: from now on events come. */
  readonly onOpen: () => void;
  /** Answers false to end the watch. */
  readonly onEvent: (event: Exclude<WatchEvent, { kind: "error" }>) => boolean;
  readonly signal: AbortSignal;
  readonly idleMs?: number;
};

/** As watches do: by its time or a closed connection, or by our doing after too much silence. */
export type WatchEnd = "ended" | "idle";

/** Ok when it ended as watches do: go on from the last version. */
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
      return err(statusError(asked, response.status, readStatus(parseJson(text))));
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
  const onLine = (line: string) => {
    if (enough.signal.aborted) return;
    const read = readWatchEvent(line);
    if (!read.ok) failure = transportError(asked, transport.server, new Error(read.error));
    else if (read.value.kind === "error") {
      failure = statusError(asked, read.value.status.code ?? 500, read.value.status);
    } else if (onEvent(read.value)) return;
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

function watchQuery({ selection, from, random }: WatchOptions): string {
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

/** Ends the request while it has no answer; afterwards the reader is cancelled instead. */
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
