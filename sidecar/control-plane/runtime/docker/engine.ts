/**
 * The only file that uses dockerode: the few calls of the Engine API that we make, each with a deadline and
 * a signal, parsed answers, and errors as values (https://docs.docker.com/reference/api/engine/).
 */
import { Agent } from "node:https";
import Docker from "dockerode";
import * as v from "valibot";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { EngineAddress } from "./address.ts";
import { ask, type Bounds, type EngineError, exchange, readLines } from "./call.ts";

/** Docker 20.10, of 2020. */
const API_VERSION_MIN = "1.41";
const OPEN_MS = 5_000;
const ASK_MS = 30_000;
/** Enough for many at once on a busy host, but less than an act may take (round.ts). */
const START_MS_MAX = 90_000;
/** Enough for a large image over a slow network. */
const PULL_MS_MAX = 1_800_000;
/** After this time the stream is opened again: a silently broken connection looks idle, too. */
const STREAM_MS_MAX = 120_000;
/** Added to the grace period that a stop itself takes. */
const STOP_MARGIN_MS = 20_000;

const ListedContainer = v.object({
  Id: v.string(),
  Names: v.nullish(v.array(v.string()), []),
  Image: v.string(),
  Labels: v.nullish(v.record(v.string(), v.string()), {}),
  State: v.string(),
  /** For people: `Up 3 seconds`, `Exited (137) 2 minutes ago`. */
  Status: v.string(),
  /** Unix time in seconds. */
  Created: v.number(),
});
export type ListedContainer = v.InferOutput<typeof ListedContainer>;

const Inspected = v.object({
  Id: v.string(),
  /** With a slash in front. */
  Name: v.string(),
  /** RFC 3339, nanoseconds. */
  Created: v.string(),
  Config: v.object({
    Image: v.string(),
    Env: v.nullish(v.array(v.string()), []),
    Labels: v.nullish(v.record(v.string(), v.string()), {}),
  }),
  State: v.object({
    Status: v.string(),
    Running: v.boolean(),
    Paused: v.boolean(),
    OOMKilled: v.boolean(),
    ExitCode: v.number(),
  }),
});
export type Inspected = v.InferOutput<typeof Inspected>;

const Waited = v.object({ StatusCode: v.number() });
const Version = v.object({ ApiVersion: v.string(), MinAPIVersion: v.optional(v.string()) });
const Info = v.object({ ID: v.pipe(v.string(), v.minLength(1)), SystemTime: v.string() });

/** How a container is created, with the engine's own field names. */
export type ContainerBody = Omit<Docker.ContainerCreateOptions, "name" | "abortSignal">;

type Answer<T> = Promise<Result<T, EngineError>>;

export type Engine = {
  readonly address: string;
  /** An id that only this engine has, and keeps over a restart. */
  readonly id: string;
  /** The engine's clock when it was asked, Unix seconds. */
  readonly openedAtSeconds: number;
  /** All containers, running or not, whose name matches; one call, however many there are. */
  readonly list: (namePattern: string, signal: AbortSignal) => Answer<readonly ListedContainer[]>;
  /** By id or name. */
  readonly inspect: (id: string, signal: AbortSignal) => Answer<Inspected>;
  /** `conflict`: the name is taken; `not-found`: there is no such image. */
  readonly create: (name: string, body: ContainerBody, signal: AbortSignal) => Answer<string>;
  readonly start: (id: string, signal: AbortSignal) => Answer<null>;
  /** The exit code when it ends within the time, else `running`. */
  readonly exitWithin: (id: string, ms: number, signal: AbortSignal) => Answer<number | "running">;
  /** Whether the image is on the engine. */
  readonly hasImage: (image: string, signal: AbortSignal) => Answer<boolean>;
  /** Sends its stop signal, and kills it after the grace period. A container that does not run is `ok`. */
  readonly stop: (id: string, graceSeconds: number, signal: AbortSignal) => Answer<null>;
  readonly unpause: (id: string, signal: AbortSignal) => Answer<null>;
  /** Removes it with its anonymous volumes, by force. `conflict`: a removal is under way already. */
  readonly remove: (id: string, signal: AbortSignal) => Answer<null>;
  /** Unpacks a tar below a directory of the container. */
  readonly unpack: (id: string, path: string, tar: Buffer, signal: AbortSignal) => Answer<null>;
  /** Calls back with each line of progress; ends with the error, if any. */
  readonly pull: (
    image: string,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ) => Answer<null>;
  /** Calls back with each line from that time on, until the stream ends or the signal aborts. */
  readonly events: (options: EventOptions, signal: AbortSignal) => Answer<null>;
};

export type EventOptions = {
  /** Unix seconds by the engine's clock; events of that second are included. */
  readonly since: number;
  readonly actions: readonly string[];
  readonly onOpen: () => void;
  readonly onLine: (line: string) => void;
};

/**
 * Asks the engine for its id and version. One that does not answer is `unavailable` or `timeout`, one that
 * is too old `refused`.
 */
export async function openEngine(address: EngineAddress, signal: AbortSignal): Answer<Engine> {
  const bounds = { what: `asking the engine at ${address.shown}`, ms: OPEN_MS, signal };
  const version = await exchange(bounds, Version, () => clientOf(address).version());
  if (!version.ok) return version;
  const { ApiVersion: offered, MinAPIVersion: least = API_VERSION_MIN } = version.value;
  if (isOlder(offered, API_VERSION_MIN)) {
    const detail = `the engine at ${address.shown} speaks API ${offered}; ${API_VERSION_MIN} or later (Docker 20.10) is needed`;
    return err({ code: "refused", detail });
  }
  // Always the same API version, whatever is installed, so that behaviour stays the same; engines drop old
  // versions some day.
  const docker = clientOf(address, isOlder(least, API_VERSION_MIN) ? API_VERSION_MIN : least);
  const info = await exchange(bounds, Info, () => docker.info());
  if (!info.ok) return info;
  const openedAtSeconds = Math.floor(Date.parse(info.value.SystemTime) / 1000);
  return ok({
    address: address.shown,
    id: info.value.ID,
    openedAtSeconds,
    ...readCalls(docker),
    ...actCalls(docker),
    ...streamCalls(docker),
  });
}

/** All options are set: dockerode would read missing ones from the environment itself. */
function clientOf(address: EngineAddress, version?: string): Docker {
  const common = version === undefined ? {} : { version: `v${version}` };
  if (address.kind === "unix") {
    return new Docker({ ...common, socketPath: address.path, host: "", protocol: "http" });
  }
  const { host, port, tls } = address;
  if (tls === undefined) return new Docker({ ...common, host, port, protocol: "http" });
  // With our own agent the certificate is verified, whatever NODE_TLS_REJECT_UNAUTHORIZED says.
  const agent = new Agent({ ...tls, rejectUnauthorized: true, keepAlive: false });
  // Its types lack the option for an agent.
  const options = { ...common, host, port, protocol: "https", ...tls, agent } as const;
  return new Docker(options);
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [otherMajor = 0, otherMinor = 0] = than.split(".").map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

const bounds = (what: string, signal: AbortSignal, ms = ASK_MS): Bounds => ({ what, ms, signal });

function readCalls(docker: Docker): Pick<Engine, "list" | "inspect" | "exitWithin" | "hasImage"> {
  return {
    list: (namePattern, signal) =>
      exchange(bounds("listing containers", signal), v.array(ListedContainer), (abortSignal) =>
        docker.listContainers({ all: true, filters: { name: [namePattern] }, abortSignal }),
      ),
    inspect: (id, signal) =>
      exchange(bounds(`inspecting container ${id}`, signal), Inspected, (abortSignal) =>
        docker.getContainer(id).inspect({ abortSignal }),
      ),
    hasImage: async (image, signal) => {
      const found = await ask(bounds(`looking for image ${image}`, signal), () =>
        docker.getImage(image).inspect(),
      );
      if (found.ok) return ok(true);
      return found.error.code === "not-found" ? ok(false) : found;
    },
    exitWithin: async (id, ms, signal) => {
      const waited = await exchange(
        bounds(`waiting for container ${id}`, signal, ms),
        Waited,
        (abortSignal) => docker.getContainer(id).wait({ condition: "not-running", abortSignal }),
      );
      if (waited.ok) return ok(waited.value.StatusCode);
      return waited.error.code === "timeout" && !signal.aborted ? ok("running") : waited;
    },
  };
}

function actCalls(
  docker: Docker,
): Pick<Engine, "create" | "start" | "stop" | "unpause" | "remove" | "unpack"> {
  const act = async (
    what: string,
    signal: AbortSignal,
    call: (signal: AbortSignal) => Promise<unknown>,
    ms = ASK_MS,
  ): Answer<null> => {
    const done = await ask(bounds(what, signal, ms), call);
    return done.ok || done.error.code === "not-modified" ? ok(null) : done;
  };
  return {
    create: async (name, body, signal) => {
      const made = await ask(bounds(`creating container ${name}`, signal), (abortSignal) =>
        docker.createContainer({ ...body, name, abortSignal }),
      );
      return made.ok ? ok(made.value.id) : made;
    },
    start: (id, signal) =>
      act(
        `starting container ${id}`,
        signal,
        (abortSignal) => docker.getContainer(id).start({ abortSignal }),
        START_MS_MAX,
      ),
    stop: (id, graceSeconds, signal) =>
      act(
        `stopping container ${id}`,
        signal,
        (abortSignal) => docker.getContainer(id).stop({ t: graceSeconds, abortSignal }),
        graceSeconds * 1000 + STOP_MARGIN_MS,
      ),
    unpause: (id, signal) =>
      act(`unpausing container ${id}`, signal, (abortSignal) =>
        docker.getContainer(id).unpause({ abortSignal }),
      ),
    remove: (id, signal) =>
      act(`removing container ${id}`, signal, (abortSignal) =>
        docker.getContainer(id).remove({ v: true, force: true, abortSignal }),
      ),
    unpack: (id, path, tar, signal) =>
      act(`writing files into container ${id}`, signal, (abortSignal) =>
        docker.getContainer(id).putArchive(tar, { path, abortSignal }),
      ),
  };
}

function streamCalls(docker: Docker): Pick<Engine, "pull" | "events"> {
  const follow = async (
    limits: Bounds,
    open: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>,
    onLine: (line: string) => void,
    onOpen: () => void,
  ): Answer<null> => {
    const read = await ask(limits, async (abortSignal) => {
      const stream = await open(abortSignal);
      onOpen();
      await readLines(stream, onLine, abortSignal);
    });
    return read.ok ? ok(null) : read;
  };
  return {
    pull: (image, onLine, signal) =>
      follow(
        bounds(`pulling image ${image}`, signal, PULL_MS_MAX),
        (abortSignal) => docker.pull(image, { abortSignal }),
        onLine,
        () => undefined,
      ),
    events: ({ since, actions, onOpen, onLine }, signal) =>
      follow(
        bounds("following the engine's events", signal, STREAM_MS_MAX),
        (abortSignal) =>
          docker.getEvents({
            since,
            filters: { type: ["container"], event: [...actions] },
            abortSignal,
          }),
        onLine,
        onOpen,
      ),
  };
}
