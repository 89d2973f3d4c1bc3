/**
 * The log directories of the local broker: their state in each round, the replicas in them as often as
 * that is cheap. What lies in a directory changes slowly, and a broker with many replicas takes long to
 * say it; an offline directory must be seen at once.
 */
import { type LogDir, type LogDirs, logDirsRequest } from "../../shared/kafka/describe-log-dirs.ts";
import { type KafkaError, protocolError } from "../../shared/kafka/error.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Connection } from "./connection.ts";
import { mapReading, readWithin, unlessError } from "./read.ts";
import type { Reading } from "./reading.ts";
import type { RoundClock } from "./round-clock.ts";
import { openStandingQuestion } from "./standing-question.ts";

/** All replicas take at most this share of the broker's time. */
const REPLICAS_SHARE = 0.05;
/** As long as no replica is on its way: sizes are no news. */
const REPLICAS_PAUSE_MS = 5000;
/** How long a round waits for them, once the directories are known. */
const REPLICAS_WAIT_MS = 500;
const PERMISSION = "DESCRIBE on the cluster";

type Dirs = readonly LogDir[];

export type LogDirReader = { readonly read: (clock: RoundClock) => Promise<Reading<Dirs>> };

/** Two connections, because a broker answers one question of a connection after the other. */
export function openLogDirReader(deps: {
  readonly directories: Connection;
  readonly replicas: Connection;
  readonly monotonicMs: () => number;
}): LogDirReader {
  const { monotonicMs } = deps;
  const directories = openStandingQuestion({
    ...{ connection: deps.directories, request: () => logDirsRequest("none"), monotonicMs },
  });
  const replicas = openStandingQuestion({
    ...{ connection: deps.replicas, request: () => logDirsRequest("all"), monotonicMs },
  });
  let contents: ReadonlyMap<string, LogDir> = new Map();
  let nextMs = monotonicMs();

  const look = async (): Promise<void> => {
    if (monotonicMs() < nextMs) return;
    const { answer, heldMs } = replicas.ask();
    const found = unlessError(await answer, judge);
    if (found.ok) contents = new Map(found.value.map((dir) => [dir.path, dir]));
    const isMoving = [...contents.values()].some(({ future }) => future.length > 0);
    const pauseMs = isMoving ? 0 : REPLICAS_PAUSE_MS;
    nextMs = monotonicMs() + Math.max(pauseMs, heldMs() / REPLICAS_SHARE);
  };

  return {
    read: async (clock) => {
      const looked = look();
      const answer = directories.ask().answer.then((result) => unlessError(result, judge));
      const dirs = await readWithin(clock, "DescribeLogDirs", answer);
      await clock.within(Promise.race([looked, clock.after(REPLICAS_WAIT_MS)]));
      return mapReading(dirs, (found) => found.map((dir) => withContents(dir, contents)));
    },
  };
}

function judge({ errorCode, dirs }: LogDirs): Result<Dirs, KafkaError> {
  if (errorCode === 0) return ok(dirs);
  return err(protocolError(errorCode, "describe the log directories", PERMISSION));
}

function withContents(dir: LogDir, contents: ReadonlyMap<string, LogDir>): LogDir {
  const known = contents.get(dir.path);
  if (known === undefined || dir.errorCode !== 0) return dir;
  const { sizeBytes, replicas, future } = known;
  return { ...dir, sizeBytes, replicas, future };
}
