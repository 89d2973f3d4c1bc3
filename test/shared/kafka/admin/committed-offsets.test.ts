/** The committed offsets of many groups: whom is asked, and what is said of each of them. */
import { describe, expect, test } from "bun:test";
import { committedOffsetsOf } from "../../../../shared/kafka/admin/committed-offsets.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import type { KafkaClient } from "../../../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import { err } from "../../../../shared/result.ts";
import { coordinators, groupOffsets } from "../played-groups.ts";
import { type Asked, playedClient } from "../played-wire.ts";

const CALL = { deadlineMs: 1_000 };
const UNSUPPORTED: KafkaError = { code: "unsupported", retry: "terminal", detail: "too old" };

const first = (): ByteWriter => new ByteWriter().int32(0);

/** Group `a` is with broker 1, `b` and `c` with broker 2, and `d` nobody coordinates. */
const PLACES = coordinators(first(), [
  ["a", 1, 0],
  ["b", 2, 0],
  ["c", 2, 0],
  ["d", -1, 15],
]);
const OF_1 = groupOffsets(first(), [["a", 0, [{ topic: "t", offset: 7 }]]]);
const OF_2 = groupOffsets(first(), [
  ["b", 0, []],
  ["c", 30, []],
]);
/** Of an older Kafka, which is asked for one group: an offset in `t`. */
const ONE = (): ByteWriter =>
  first()
    .array(["t"], (topics, name) =>
      topics.string(name).array([3], (row, at) => {
        row.int32(0).int64(at).int32(-1).nullableString(null).int16(0);
      }),
    )
    .int16(0);

function played(answer: (broker: number, asked: Asked) => ByteWriter | undefined) {
  const asked: string[] = [];
  const client = playedClient({
    answer: (broker, question) => {
      asked.push(`${question.apiName} ${broker}`);
      return Promise.resolve(answer(broker, question));
    },
  });
  return { client, asked };
}

const read = async (client: KafkaClient, groups = ["a", "b", "c", "d"]) => {
  const answers = await committedOffsetsOf(client, groups, CALL);
  return Object.fromEntries(
    [...answers].map(([group, answer]) => [group, answer.ok ? answer.value : answer.error.code]),
  );
};

const AT = (offset: number) => [{ topic: "t", partitions: [{ partition: 0, offset }] }];

describe("committedOffsetsOf()", () => {
  test("asks each coordinator once, and says of each group what came of it", async () => {
    const { client, asked } = played((broker, { apiName }) => {
      if (apiName === "FindCoordinator") return PLACES;
      return broker === 1 ? OF_1 : OF_2;
    });
    const want = { a: AT(7), b: [], c: "authorization", d: "not-coordinator" } as const;
    expect(await read(client)).toEqual(want);
    expect(asked.toSorted()).toEqual(["FindCoordinator 1", "OffsetFetch 1", "OffsetFetch 2"]);
  });
  test("a coordinator that does not answer is the fault of its groups only", async () => {
    const { client } = played((broker, { apiName }) => {
      if (apiName === "FindCoordinator") return PLACES;
      return broker === 1 ? OF_1 : undefined;
    });
    expect(await read(client)).toMatchObject({ a: AT(7), b: "timeout", c: "timeout" });
  });
  test("where nobody says who coordinates, nothing is known of any group", async () => {
    const { client } = played(() => undefined);
    expect(await read(client, ["a", "b"])).toEqual({ a: "timeout", b: "timeout" });
  });
  test("a Kafka that does not know the question is asked group by group, each in a call of its own", async () => {
    const groups = Array.from({ length: 20 }, (_, n) => `g${n}`);
    let now = 0;
    let most = 0;
    const client = playedClient({
      answer: async () => {
        now += 1;
        most = Math.max(most, now);
        await Bun.sleep(1);
        now -= 1;
        return ONE();
      },
    });
    const older = { ...client, toAny: () => Promise.resolve(err(UNSUPPORTED)) };
    const want = Object.fromEntries(groups.map((group) => [group, AT(3)]));
    expect(await read(older, groups)).toEqual(want);
    expect(most).toBe(8);
  });
});
