/** What is kept of a group's offsets, and that what is put back fits what the log holds by then. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { NIL_TOPIC_ID } from "../../../../shared/kafka/api/metadata.ts";
import { err, ok } from "../../../../shared/result.ts";
import {
  clamped,
  putBackOffsets,
  readOffsets,
} from "../../../../sidecar/control-plane/act/kept-offsets.ts";
import { coordinators, groupOffsets } from "../../../shared/kafka/played-groups.ts";
import { playedClient } from "../../../shared/kafka/played-wire.ts";

const at = (...offsets: readonly [number, number][]) => ({ offsets: new Map(offsets) });

test.each([
  ["inside", 5, 5],
  ["at the start", 3, 3],
  ["before the start: records were deleted meanwhile", 1, 3],
  ["at the end", 9, 9],
  ["past the end: the log was cut", 12, 9],
])("clamped(), %s", (_, offset, expected) => {
  expect(clamped([[0, offset]], at([0, 3]), at([0, 9]))).toEqual([
    { partition: 0, offset: expected },
  ]);
});

test("clamped() leaves a partition out whose start or end is not known", () => {
  expect(
    clamped(
      [
        [0, 1],
        [1, 1],
      ],
      at([0, 0]),
      at([1, 9]),
    ),
  ).toEqual([]);
});

test("clamped() is always inside the log, and within it what was kept", () => {
  const ends = fc
    .tuple(fc.nat(), fc.nat())
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  fc.assert(
    fc.property(ends, fc.nat(), ([start, end], offset) => {
      const [one] = clamped([[0, offset]], at([0, start]), at([0, end]));
      const isInside = one !== undefined && one.offset >= start && one.offset <= end;
      return isInside && (offset < start || offset > end || one.offset === offset);
    }),
  );
});

/** One partition of topic `t`, at 7; the codes are what a broker may say of it. */
function playedKafka({ topicId = "id-1", topicCode = 0, partitionCode = 0, groupCode = 0 }) {
  const commits: string[] = [];
  let committed = true;
  /** Those of many groups are asked for by their coordinators. */
  let isForMany = false;
  const client = playedClient({
    answer: (_, { apiName }) => {
      const writer = new ByteWriter().int32(0);
      if (apiName === "FindCoordinator") {
        isForMany = true;
        return Promise.resolve(coordinators(writer, [["g", 1, 0]]));
      }
      if (apiName === "OffsetFetch" && isForMany) {
        const topics = [{ topic: "t", offset: 7, errorCode: partitionCode }];
        return Promise.resolve(groupOffsets(writer, [["g", groupCode, topics]]));
      }
      if (apiName === "OffsetFetch") {
        writer.array(committed ? ["t"] : [], (topics, name) =>
          topics.string(name).array([7], (row, offset) => {
            row.int32(0).int64(offset).int32(-1).nullableString(null).int16(partitionCode);
          }),
        );
        return Promise.resolve(writer.int16(groupCode));
      }
      if (apiName === "DescribeGroups") {
        writer.array([""], (row) => {
          row.int16(0).string("g").string("Dead").string("").string("");
          row.array([], () => undefined).int32(0);
        });
        return Promise.resolve(writer);
      }
      if (apiName === "ListOffsets") {
        writer.array(["t"], (topics, name) =>
          topics.string(name).array([0], (row) => {
            row.int32(0).int16(0).int64(0).int64(9);
          }),
        );
        return Promise.resolve(writer);
      }
      commits.push(apiName);
      writer.array([], () => undefined);
      return Promise.resolve(writer);
    },
  });
  const partitions = [0].map((partition) => ({
    ...{ partition, leader: 1, leaderEpoch: 1, errorCode: 0 },
    ...{ replicas: [1], isr: [1], offlineReplicas: [] },
  }));
  const topics = [{ name: "t", topicId, errorCode: topicCode, isInternal: false, partitions }];
  const cluster = { clusterId: "c", controllerId: 1, brokers: [], topics };
  return {
    client: { ...client, metadata: () => Promise.resolve(ok(cluster)) },
    commits,
    forget: () => {
      committed = false;
    },
  };
}

describe("what cannot be known again, or not all be read, is not kept", () => {
  test.each([
    ["a topic with an id is kept", {}, "kept"],
    ["a topic that is gone has nothing to keep", { topicCode: 3 }, "nothing"],
    ["a topic without an id", { topicId: NIL_TOPIC_ID }, "unsupported"],
    ["a topic that we may not look at", { topicCode: 29 }, "authorization"],
    ["a partition whose offset cannot be read", { partitionCode: 29 }, "authorization"],
    ["a group that we may not look at", { groupCode: 30 }, "authorization"],
  ] as const)("%s", async (_, played, expected) => {
    const { client } = playedKafka(played);
    const all = await readOffsets(client, ["g"], 0, { deadlineMs: 1_000 });
    const read = all.get("g") ?? err({ code: "nobody" });
    const kept = read.ok && read.value.topics.length > 0 ? "kept" : "nothing";
    expect(read.ok ? kept : read.error.code).toBe(expected);
  });
});

describe("what was kept is put back", () => {
  test.each([
    ["into the same topic", "id-1", "id-1", 1],
    ["not into one that was made again", "id-1", "id-2", 0],
    ["not where topics have no ids: zero is not zero", NIL_TOPIC_ID, NIL_TOPIC_ID, 0],
  ])("%s", async (_, keptId, topicId, commits) => {
    const kafka = playedKafka({ topicId });
    kafka.forget();
    const topics = [
      { topic: "t", topic_id: keptId, partitions: [[0, 7]] satisfies [number, number][] },
    ];
    const kept = { read_at: "2026-01-01T00:00:00.000Z", topics };
    await putBackOffsets(kafka.client, "g", kept, { deadlineMs: 1_000 });
    expect(kafka.commits).toHaveLength(commits);
  });
});
