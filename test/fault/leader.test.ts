import { expect, test } from "bun:test";
import { STATUS } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { openGroups } from "./groups.ts";
import { say } from "./say.ts";
import { allIn, beatsGoOn, CLEANED_MS, oneEach, onStage, SOON_MS } from "./stage.ts";

/** Above what a group takes to give the partition on, far below a session timeout. */
const HANDED_ON_MS = 4_000;

test.concurrent("SIGTERM of the leader hands the lead on at once; workers run on", async () => {
  await onStage({}, async ({ lead, start, pids, settled, sender }) => {
    const first = await lead();
    await settled(first, ["one", "two"]);
    const before = pids();
    const standby = await start();
    await until("a standby", async () => (await standby.health()).role === "standby", {
      deadlineMs: SOON_MS,
    });
    // Both follow: whichever the group prefers, the one that led longest keeps it.
    expect((await first.health()).role).toBe("leader");
    const endedMs = performance.now();
    first.process.kill("SIGTERM");
    await standby.leads(SOON_MS);
    const tookMs = performance.now() - endedMs;
    say(`a standby led ${Math.round(tookMs)} ms after SIGTERM of the leader`);
    expect(tookMs).toBeLessThan(HANDED_ON_MS);
    expect((await first.process.exited).code).toBe(0);
    expect(pids()).toEqual(before);

    const alone = performance.now();
    standby.process.kill("SIGTERM");
    expect((await standby.process.exited).code).toBe(0);
    expect(pids()).toEqual(before);
    const third = await lead();
    const aloneMs = performance.now() - alone;
    say(
      `with no standby, the next one led ${Math.round(aloneMs)} ms after SIGTERM, start included`,
    );
    expect(aloneMs).toBeLessThan(2 * HANDED_ON_MS);
    await sender.register("three");
    await until("the new leader's act", () => oneEach(pids(), ["one", "two", "three"]), {
      deadlineMs: SOON_MS,
    });
    await beatsGoOn(third, 4);
    for (const id of ["one", "two"]) expect(pids()[id]).toEqual(before[id] ?? []);
  });
}, 120_000);

test.concurrent("a ledger deleted and made again under a running leader is written again", async () => {
  await onStage({}, async ({ kafka, lead, pids, settled, sender, beats, atEnd }) => {
    const groups = openGroups(kafka.bootstrap);
    atEnd(groups.close);
    const first = await lead();
    await settled(first, ["live", "silent", "left"]);
    await groups.commit("left", 1);
    await sender.withdraw("left");
    beats.off("silent");
    await until("one dead, one gone", () => oneEach(pids(), ["live"]), { deadlineMs: CLEANED_MS });
    await until(
      "the withdrawal's end",
      async () => (await first.cluster("left"))?.withdrawal === "done",
      { deadlineMs: SOON_MS },
    );
    const before = pids();
    await kafka.tools.deleteTopic(STATUS);
    await kafka.tools.createTopic(STATUS, 1, { "cleanup.policy": "compact" });
    // What it knew is in the new topic: three clusters, and how far the registry was judged.
    const wanted = ["_applied:0", "left", "live", "silent"];
    await until(
      "the ledger to be written again",
      async () => {
        const records = await kafka.tools.consume(STATUS);
        const keys = [...new Set(records.map(({ key }) => key))].sort();
        if (keys.join() !== wanted.join()) throw new Error(keys.join());
        return keys;
      },
      { deadlineMs: 2 * SOON_MS },
    ).then((keys) => expect(keys).toEqual(wanted));
    expect(pids()).toEqual(before);
    first.process.kill("SIGKILL");
    await first.process.exited;
    const second = await lead();
    expect(await allIn(second, ["live"], "active")).toBe(true);
    expect(await allIn(second, ["silent"], "dead")).toBe(true);
    expect((await second.cluster("left"))?.withdrawal).toBe("done");
    await beatsGoOn(second, 4);
    expect(pids()).toEqual(before);
    await sender.register("new");
    await until("its worker", () => oneEach(pids(), ["live", "new"]), { deadlineMs: SOON_MS });
  });
}, 150_000);
