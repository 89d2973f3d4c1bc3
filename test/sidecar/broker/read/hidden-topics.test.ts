/** Topics with replicas here that the metadata does not show: refused, deleted, or not known. */

import { describe, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import type { ClusterMetadata, TopicMetadata } from "../../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { openHiddenReader } from "../../../../sidecar/broker/read/hidden-topics.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import { clockOf } from "../../../clock.ts";
import { cluster, dir, failed, partition, readIn } from "../snapshot-sample.ts";

const UNKNOWN_TOPIC = 3;
const REFUSED = 29;
const SHOWN = readIn(cluster({ orders: [partition(0, [1], [1])] }));
const LATE: KafkaError = { code: "timeout", retry: "transient", detail: "late" };

const dirs = (topics: Readonly<Record<string, number>>) =>
  readIn([
    dir("/data/0", { contents: { topics: new Map(Object.entries(topics)) } }),
    dir("/data/1"),
  ]);

/** `errorCode`: of each topic that is asked for; undefined: no answer comes. */
function open(answer: { errorCode: number | undefined }) {
  let nowMs = 0;
  const asked: string[] = [];
  const topicOf = (name: string): TopicMetadata => ({
    ...{ name, topicId: "", isInternal: false, partitions: [], errorCode: answer.errorCode ?? 0 },
  });
  const hidden = openHiddenReader({
    askTopics: (names) => {
      asked.push(...names);
      const known: Result<ClusterMetadata, KafkaError> =
        answer.errorCode === undefined
          ? err(LATE)
          : ok({ ...cluster({}), topics: names.map(topicOf) });
      return Promise.resolve(known);
    },
    clock: clockOf({ monotonicMs: () => nowMs }),
  });
  const read = async (here: Parameters<typeof hidden>[1], metadata = SHOWN) => {
    const clock = openRoundClock({
      ...{ deadlineMs: 1000, clock: systemClock },
      signal: new AbortController().signal,
    });
    try {
      return await hidden(metadata, here, clock);
    } finally {
      clock.stop();
    }
  };
  const later = (ms: number) => {
    nowMs += ms;
  };
  return { read, later, asked };
}

const MISSING = {
  replicas: 2,
  reason:
    "2 replicas here of topics that are hidden from us (missing permission: DESCRIBE on topic bills)",
};

describe("openHiddenReader()", () => {
  test("asks nothing where all topics are shown, whatever partitions of them are here", async () => {
    const { read, asked } = open({ errorCode: REFUSED });
    expect(await read(dirs({ orders: 9 }))).toBeUndefined();
    expect(await read(failed("late"))).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test("names the topic that Kafka refuses to show, and asks for it once a minute", async () => {
    const { read, asked, later } = open({ errorCode: REFUSED });
    expect(await read(dirs({ orders: 1, bills: 2 }))).toEqual(MISSING);
    expect(await read(dirs({ orders: 1, bills: 2 }))).toEqual(MISSING);
    expect(asked).toEqual(["bills"]);
    later(60_000);
    await read(dirs({ orders: 1, bills: 2 }));
    expect(asked).toEqual(["bills", "bills"]);
  });

  const unread: readonly [string, "unread" | "none" | "failed"][] = [
    ["directories that do not answer", "failed"],
    ["no directory named", "none"],
    ["a directory whose contents were not read", "unread"],
  ];
  test.each(unread)("keeps what it knew over %s", async (_what, now) => {
    const { read } = open({ errorCode: REFUSED });
    const here = {
      ...{ failed: failed("late"), none: readIn([]) },
      unread: readIn([dir("/data/0", { contents: "unread" }), dir("/data/1")]),
    }[now];
    expect(await read(here)).toBeUndefined();
    expect(await read(dirs({ bills: 2 }))).toEqual(MISSING);
    expect(await read(here)).toEqual(MISSING);
    const shown = readIn(cluster({ bills: [partition(0, [1], [1])] }));
    expect(await read(here, shown)).toBeUndefined();
    expect(await read(dirs({ orders: 1 }))).toBeUndefined();
  });

  test("takes replicas of a topic that Kafka does not know for left behind", async () => {
    const { read } = open({ errorCode: UNKNOWN_TOPIC });
    expect(await read(dirs({ bills: 2 }))).toBeUndefined();
    expect(await read(dirs({ bills: 2 }), readIn(cluster({})))).toBeUndefined();
  });

  test("does not claim to know what it could not ask, and remembers what it knew", async () => {
    const answer: { errorCode: number | undefined } = { errorCode: undefined };
    const { read, later } = open(answer);
    const reason =
      "2 replicas here of topics that are hidden from us: could not ask whether bills is hidden or was deleted";
    expect(await read(dirs({ bills: 2 }))).toEqual({ replicas: 2, reason });
    answer.errorCode = REFUSED;
    expect(await read(dirs({ bills: 2 }))).toEqual(MISSING);
    answer.errorCode = undefined;
    later(60_000);
    expect(await read(dirs({ bills: 2 }))).toEqual(MISSING);
  });
});
