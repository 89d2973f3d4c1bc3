/**
 * The log directories of the local broker: their state in each round, the replicas in them only as often as
 * that is cheap. The contents of a directory change slowly, and a broker with many replicas takes long to
 * list them; an offline directory must be noticed at once.
 */
import type { Clock } from "../../../shared/clock.ts";
import { type LogDirs, logDirsRequest } from "../../../shared/kafka/api/describe-log-dirs.ts";
import { type KafkaError, protocolError } from "../../../shared/kafka/error.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { DirContents, LogDirectory, Reading } from "../snapshot.ts";
import type { RenewableConnection } from "./connection.ts";
import { mapReading, readWithin, unlessError } from "./reading.ts";
import type { RoundClock } from "./round-clock.ts";
import { openSingleFlight } from "./single-flight.ts";

/** Listing all replicas takes at most this share of the broker's time. */
const REPLICAS_SHARE = 0.05;
/** The interval while no replica is being moved: sizes alone are not urgent. */
const REPLICAS_PAUSE_MS = 5000;
/** How long a round waits for them, once the directories are known. */
const REPLICAS_WAIT_MS = 500;
/**
 * An older reading is forgotten. Longer than the longest pause between two readings that Kafka answers (30
 * s, at REPLICAS_SHARE).
 */
const CONTENTS_MS_MAX = 900_000;
const PERMISSION = "DESCRIBE on the cluster";

type Told = LogDirs["dirs"];
type Dirs = readonly LogDirectory[];
type Contents = ReadonlyMap<string, DirContents>;

export type LogDirReader = { readonly read: (clock: RoundClock) => Promise<Reading<Dirs>> };

/** Two connections, because a broker answers the requests of a connection one after the other. */
export function openLogDirReader(deps: {
  readonly directories: RenewableConnection;
  readonly replicas: RenewableConnection;
  readonly clock: Clock;
}): LogDirReader {
  const { monotonicMs } = deps.clock;
  const directories = openSingleFlight({
    ...{ connection: deps.directories, request: () => logDirsRequest("none"), clock: deps.clock },
  });
  const replicas = openSingleFlight({
    ...{ connection: deps.replicas, request: () => logDirsRequest("all"), clock: deps.clock },
  });
  let contents: Contents = new Map();
  let readAtMs = monotonicMs();
  let nextMs = monotonicMs();

  const look = async (): Promise<void> => {
    if (monotonicMs() < nextMs) return;
    const { answer, heldMs } = replicas.ask();
    const found = unlessError(await answer, evaluate);
    if (found.ok) {
      readAtMs = monotonicMs();
      contents = new Map(found.value.map((dir) => [dir.path, inside(dir)]));
    }
    const isMoving = [...contents.values()].some(({ future }) => future.length > 0);
    const pauseMs = isMoving ? 0 : REPLICAS_PAUSE_MS;
    nextMs = monotonicMs() + Math.max(pauseMs, heldMs() / REPLICAS_SHARE);
  };

  const known = (): Contents => {
    if (monotonicMs() - readAtMs > CONTENTS_MS_MAX) contents = new Map();
    return contents;
  };

  return {
    read: async (clock) => {
      const looked = look();
      const asked = directories.ask();
      const answer = asked.answer.then((result) => unlessError(result, evaluate));
      const dirs = await readWithin(clock, "DescribeLogDirs", answer, asked);
      await clock.within(Promise.race([looked, clock.after(REPLICAS_WAIT_MS)]));
      const lately = known();
      return mapReading(dirs, (found) => found.map((dir) => withContents(dir, lately)));
    },
  };
}

function evaluate({ errorCode, dirs }: LogDirs): Result<Told, KafkaError> {
  if (errorCode === 0) return ok(dirs);
  return err(protocolError(errorCode, "describe the log directories", PERMISSION));
}

function withContents(dir: Told[number], lately: Contents): LogDirectory {
  const { path, errorCode, totalBytes, usableBytes } = dir;
  const contents = errorCode === 0 ? lately.get(path) : undefined;
  return { path, errorCode, totalBytes, usableBytes, contents };
}

const inside = ({ sizeBytes, replicas, topics, future }: Told[number]): DirContents => ({
  ...{ sizeBytes, replicas, topics, future },
});
