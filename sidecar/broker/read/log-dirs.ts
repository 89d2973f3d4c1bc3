/**
 * The log directories of the local broker: their state in each round, the replicas in them as often as
 * that is cheap. What lies in a directory changes slowly, and a broker with many replicas takes long to
 * say it; an offline directory must be seen at once.
 */
import { type LogDirs, logDirsRequest } from "../../../shared/kafka/api/describe-log-dirs.ts";
import { type KafkaError, protocolError } from "../../../shared/kafka/error.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { DirContents, LogDirectory, Reading } from "../snapshot.ts";
import type { RenewableConnection } from "./connection.ts";
import { mapReading, readWithin, unlessError } from "./reading.ts";
import type { RoundClock } from "./round-clock.ts";
import { openSingleFlight } from "./single-flight.ts";

/** All replicas take at most this share of the broker's time. */
const REPLICAS_SHARE = 0.05;
/** As long as no replica is on its way: sizes are no news. */
const REPLICAS_PAUSE_MS = 5000;
/** How long a round waits for them, once the directories are known. */
const REPLICAS_WAIT_MS = 500;
/**
 * What was read so long ago is forgotten: it is no figure of now. Longer than the longest pause between two
 * readings that Kafka answers (30 s, at REPLICAS_SHARE).
 */
const CONTENTS_MS_MAX = 900_000;
const PERMISSION = "DESCRIBE on the cluster";

type Told = LogDirs["dirs"];
type Dirs = readonly LogDirectory[];
type Contents = ReadonlyMap<string, DirContents>;

export type LogDirReader = { readonly read: (clock: RoundClock) => Promise<Reading<Dirs>> };

/** Two connections, because a broker answers one question of a connection after the other. */
export function openLogDirReader(deps: {
  readonly directories: RenewableConnection;
  readonly replicas: RenewableConnection;
  readonly monotonicMs: () => number;
}): LogDirReader {
  const { monotonicMs } = deps;
  const directories = openSingleFlight({
    ...{ connection: deps.directories, request: () => logDirsRequest("none"), monotonicMs },
  });
  const replicas = openSingleFlight({
    ...{ connection: deps.replicas, request: () => logDirsRequest("all"), monotonicMs },
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
