import { expect, test } from "bun:test";
import { partitionFor } from "../../shared/kafka/producer/partitioner.ts";
import { HEARTBEAT } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import { say } from "./say.ts";
import {
  allIn,
  beatsGoOn,
  CLEANED_MS,
  CLEANUP_TIMEOUT_MS,
  oneEach,
  onStage,
  passed,
  SOON_MS,
} from "./stage.ts";

const PARTITIONS = 3;
/** The broker that goes is the only one that has this partition. */
const LOST = 2;

/** Ids of which beats go to this partition. */
function idsOf(partition: number, count: number, kind: string): readonly string[] {
  const ids: string[] = [];
  for (let index = 0; ids.length < count; index += 1) {
    const id = `${kind}-${index}`;
    if (partitionFor(id, PARTITIONS) === partition) ids.push(id);
  }
  return ids;
}

/** One replica each: partition n lies on broker n alone. */
async function prepare(kafka: KafkaBed): Promise<void> {
  await kafka.tools.run("org.apache.kafka.tools.TopicCommand", [
    ...["--bootstrap-server", kafka.bootstrap, "--create", "--topic", HEARTBEAT],
    ...["--replica-assignment", "0,1,2"],
  ]);
}

test("clusters of a heartbeat partition without a leader do not die, and the others work on", async () => {
  await onStage({ kafka: { brokers: 3, heap: "320m" }, prepare }, async (stage) => {
    const { kafka, lead, pids, settled, sender, beats } = stage;
    const plane = await lead();
    const cut = idsOf(LOST, 2, "cut");
    const heard = [...idsOf(0, 2, "heard"), ...idsOf(1, 2, "heard")];
    const [silent = "", ...loud] = heard;
    const [silentToo = ""] = idsOf(LOST, 1, "silent");
    await settled(plane, [...cut, ...heard, silentToo]);
    const before = pids();
    beats.off(silentToo);
    // A controlled shutdown: what has replicas goes on at once.
    await kafka.broker(LOST).stop();
    const sinceMs = performance.now();
    beats.off(silent);
    const [newCut = ""] = idsOf(LOST, 1, "new");
    const [newHeard = ""] = idsOf(0, 1, "new");
    for (const id of [newCut, newHeard]) {
      await until(`${id} to be registered`, () => sender.register(id).then(() => true), {
        deadlineMs: 3 * SOON_MS,
      });
      beats.on(id);
    }
    await until("workers for new ones", () => pids()[newCut] && pids()[newHeard], {
      deadlineMs: 2 * SOON_MS,
    });
    say(
      `new ones had workers ${Math.round(performance.now() - sinceMs)} ms after the broker's end`,
    );
    // The silent one of a living partition dies; it proves that time passes there.
    await until("its clean-up", () => pids()[silent] === undefined, { deadlineMs: CLEANED_MS });
    await passed(sinceMs, CLEANUP_TIMEOUT_MS + 5_000);
    await beatsGoOn(plane, 10);
    expect(oneEach(pids(), [...cut, ...loud, silentToo, newCut, newHeard])).toBe(true);
    for (const id of [...cut, ...loud, silentToo]) expect(pids()[id]).toEqual(before[id] ?? []);
    expect((await plane.cluster(cut[0] ?? ""))?.age_seconds).toBeLessThan(
      CLEANUP_TIMEOUT_MS / 1000,
    );

    await kafka.broker(LOST).start();
    await until(
      "beats of the cut ones",
      () => allIn(plane, [...cut, newCut, newHeard, ...loud], "active"),
      { deadlineMs: CLEANED_MS },
    );
    // Time passes there again: what was silent all along is cleaned up now, and only that.
    await until(
      "the end of the silent one there",
      () => oneEach(pids(), [...cut, ...loud, newCut, newHeard]),
      { deadlineMs: CLEANED_MS },
    );
    for (const id of [...cut, ...loud]) expect(pids()[id]).toEqual(before[id] ?? []);
  });
}, 180_000);
