import { expect, test } from "bun:test";
import { HEARTBEAT, QUARANTINE, REGISTRY } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import type { Sender } from "../bed/sender.ts";
import {
  beat,
  endsOf,
  killHard,
  LIMIT_MS,
  makeTopic,
  pids,
  recordsOf,
  registration,
  twoRounds,
  untilObserved,
  untilRuns,
  untilShown,
  withFleet,
} from "./scenario.ts";

const kafka = kafkaOfFile();

/** Java takes its time; nobody is to die meanwhile. */
const PATIENT = { HEARTBEAT_TIMEOUT: "30s", CLEANUP_TIMEOUT: "60s" };

type Garbage = readonly [key: string | Buffer | null, value: string | Buffer | null, why: string];

const json = (value: unknown): string => JSON.stringify(value);
const deep = `{"client_id":"af-9","cluster_name":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
/** As much as a broker with its default settings takes in one record. */
const HUGE_BYTES = 1_048_500;
const invalidUtf8 = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc3, 0x28, 0x22, 0x7d]);

/** No name or payload of these is one of ours, whichever topic they are in. */
const GARBAGE: readonly Garbage[] = [
  ["af-9", "not json", "value-not-json"],
  ["af-9", "", "value-empty"],
  ["af-9", "\0\0\0\0", "value-not-json"],
  ["af-9", "null", "value-invalid"],
  ["af-9", "[]", "value-invalid"],
  ["af-9", "[[[[1]]]]", "value-invalid"],
  ["af-9", "42", "value-invalid"],
  ["af-9", '"af-9"', "value-invalid"],
  ["af-9", "{}", "value-invalid"],
  ["af-9", '{"client_id":7,"cluster_name":"x"}', "value-invalid"],
  ["af-9", '{"client_id":null,"cluster_name":"x"}', "value-invalid"],
  ["af-9", '{"client_id":{"toString":"x"},"cluster_name":[]}', "value-invalid"],
  ["af-9", '{"__proto__":{"client_id":"af-9","cluster_name":"x"}}', "value-invalid"],
  ["af-9", '{"client_id":"af-10","cluster_name":"x"}', "key-mismatch"],
  ["af-9", '{"client_id":"af-9","cluster_name":"x"', "value-not-json"],
  ["af-9", invalidUtf8, "value-not-json"],
  ["af-9", `{"client_id":"af-9","cluster_name":"${"x".repeat(70_000)}"}`, "value-too-large"],
  ["af-9", "x".repeat(HUGE_BYTES), "value-too-large"],
  ["", json({ client_id: "", cluster_name: "x" }), "key-invalid"],
  ["../../etc/passwd", json({ client_id: "../../etc/passwd", cluster_name: "x" }), "key-invalid"],
  ["_AF9", json({ client_id: "_AF9", cluster_name: "x" }), "key-invalid"],
  ["af-9\0", json({ client_id: "af-9\0", cluster_name: "x" }), "key-invalid"],
  ["a".repeat(201), json({ client_id: "a".repeat(201), cluster_name: "x" }), "key-invalid"],
  ["k".repeat(300_000), "{}", "key-invalid"],
  [invalidUtf8, "{}", "key-invalid"],
  ["_applied:0", '{"topic_id":"x","offset":99999,"epoch":99999}', "key-invalid"],
];

/** Only what is wrong among registrations. */
const REGISTRY_GARBAGE: readonly Garbage[] = [
  ...GARBAGE,
  ["af-9", deep, "value-invalid"],
  ["af-9", '{"client_id":"af-9","cluster_name":["x"]}', "value-invalid"],
  [
    "af-9",
    '{"client_id":"af-9","cluster_name":"x","heartbeat_interval_seconds":1e308}',
    "value-invalid",
  ],
  ["__proto__", null, "key-invalid"],
];

const HEARTBEAT_GARBAGE: readonly Garbage[] = [
  ...GARBAGE,
  ["af-9::af-10", '{"client_id":"af-9"}', "key-invalid"],
  ["_watermark", "not json", "value-not-json"],
  ["_watermark", '{"epoch":"x"}', "value-invalid"],
  ["af-9", null, "value-empty"],
  // A compacted topic takes no record without a key.
  [null, json({ client_id: "af-9" }), "key-invalid"],
  [null, null, "key-invalid"],
];

/** Writes all; returns the reason expected at each offset. */
async function litter(
  sender: Sender,
  topic: string,
  garbage: readonly Garbage[],
): Promise<readonly string[]> {
  const expected: string[] = [];
  for (const [key, value, why] of garbage) {
    expected.push(`${await sender.send(topic, key, value)} ${why}`);
  }
  return expected.toSorted();
}

/** What the quarantine says of a topic, once it has that many records. */
async function quarantined(topic: string, count: number): Promise<readonly string[]> {
  await until(
    `${count} records in quarantine`,
    async () => (await endsOf(kafka, QUARANTINE)).reduce((sum, end) => sum + end, 0) >= count,
    { deadlineMs: 20_000, intervalMs: 200 },
  );
  return (await recordsOf(kafka, QUARANTINE))
    .filter(({ headers }) => headers["topic"] === topic)
    .map(({ headers }) => `${headers["offset"]} ${headers["reason"]}`)
    .toSorted();
}

const rounds = async (plane: ControlPlane): Promise<void> => {
  expect(plane.process.running()).toBe(true);
  await twoRounds(plane);
};

test(
  "T9: crafted registrations stop nothing: at the start, while it runs, after a restart",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      await makeTopic(kafka, REGISTRY, { "cleanup.policy": "compact" });
      const half = Math.ceil(REGISTRY_GARBAGE.length / 2);
      const atStart = await litter(sender, REGISTRY, REGISTRY_GARBAGE.slice(0, half));
      await sender.register("af-91");
      const first = await fleet.start();
      await untilRuns(fleet, ["af-91"]);
      const running = await litter(sender, REGISTRY, REGISTRY_GARBAGE.slice(half));
      await sender.register("af-92");
      await untilRuns(fleet, ["af-91", "af-92"]);
      await rounds(first);
      const before = pids(fleet);
      const all = [...atStart, ...running].toSorted();
      expect(await quarantined(REGISTRY, all.length)).toEqual(all);
      await killHard(first);
      const second = await fleet.start();
      await second.leads();
      await sender.register("af-93");
      await untilRuns(fleet, ["af-91", "af-92", "af-93"]);
      await rounds(second);
      expect(pids(fleet).slice(0, 2)).toEqual([...before]);
      // Judged once: what the ledger has applied is not read again.
      expect(await quarantined(REGISTRY, all.length)).toEqual(all);
      const known = (await second.clusters()).map(({ client_id }) => client_id);
      expect(known).toEqual(["af-91", "af-92", "af-93"]);
    }),
  LIMIT_MS,
);

test(
  "T9: crafted heartbeats stop nothing and revive nobody",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const plane = await fleet.start();
      await plane.leads();
      await sender.register("af-94");
      await untilRuns(fleet, ["af-94"]);
      await untilObserved(plane, "af-94");
      for (const [key, value] of HEARTBEAT_GARBAGE) await sender.send(HEARTBEAT, key, value);
      await sender.beat("af-94");
      await untilShown(plane, "af-94", { state: "active" });
      const reasons = (await quarantined(HEARTBEAT, HEARTBEAT_GARBAGE.length)).map(
        (line) => line.split(" ")[1],
      );
      expect(reasons.toSorted()).toEqual(HEARTBEAT_GARBAGE.map(([, , why]) => why).toSorted());
      await rounds(plane);
      expect(await plane.metric("kg_control_plane_spawn_operations_total")).toBe(1);
    }),
  LIMIT_MS,
);

test(
  "the original's hooks: the cut registration is explained, the other form and the legacy beat count",
  () =>
    withFleet(kafka, async ({ fleet }) => {
      await makeTopic(kafka, REGISTRY, { "cleanup.policy": "compact" });
      await hook('{"client_id": "af-10","cluster_name":"prod","region":"eu"}');
      await hook(
        'af-11:{"client_id":"af-11","cluster_name":"","region":"eu","timestamp":"2026-01-01T00:00:00Z","chart_version":"1.0.0"}',
      );
      const plane = await fleet.start();
      await untilRuns(fleet, ["af-11"]);
      await untilShown(plane, "af-11", { cluster_name: "af-11" });
      await until(
        "the cut registration in quarantine",
        async () => (await endsOf(kafka, QUARANTINE))[0] === 1,
        { deadlineMs: 10_000 },
      );
      const [cut] = await recordsOf(kafka, QUARANTINE);
      expect(cut?.key).toBe('{"client_id"');
      expect(cut?.value).toBe(' "af-10","cluster_name":"prod","region":"eu"}');
      expect(cut?.headers).toMatchObject({
        reason: "legacy-cut-registration",
        topic: REGISTRY,
        partition: "0",
        offset: "0",
      });
      expect(cut?.headers["detail"]).toContain("agent register");
      await untilObserved(plane, "af-11");
      await kafka.tools.produce(HEARTBEAT, [{ ...beat("af-11"), key: "af-11::af-11" }]);
      await untilShown(plane, "af-11", { state: "active" });
      expect(await plane.metric("outrider_legacy_key_beats")).toBe(1);
    }),
  LIMIT_MS,
);

/** A line as the original's hook gives it to its producer. */
async function hook(line: string): Promise<void> {
  const where = ["--bootstrap-server", kafka.bootstrap, "--topic", REGISTRY];
  const how = ["--property", "parse.key=true", "--property", "key.separator=:"];
  await kafka.tools.run("org.apache.kafka.tools.ConsoleProducer", [...where, ...how], `${line}\n`);
}

test(
  "a client that sends only client_id and timestamp is alive",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const plane = await fleet.start();
      await plane.leads();
      await sender.send(REGISTRY, "af-12", '{"client_id":"af-12","cluster_name":"bare"}');
      await untilRuns(fleet, ["af-12"]);
      await untilObserved(plane, "af-12");
      const value = json({ client_id: "af-12", timestamp: new Date().toISOString() });
      await kafka.tools.produce(HEARTBEAT, [{ key: "af-12", value }]);
      await untilShown(plane, "af-12", { state: "active" });
      expect((await plane.cluster("af-12"))?.last_heartbeat?.status).toBeNull();
    }),
  LIMIT_MS,
);

test(
  "a Java producer's zstd, snappy, lz4 and gzip are read, from topics that keep them",
  () =>
    withFleet(
      kafka,
      async ({ fleet }) => {
        await makeTopic(kafka, REGISTRY, { "cleanup.policy": "compact" });
        await makeTopic(kafka, HEARTBEAT, {}, 2);
        const codecs = ["zstd", "snappy", "lz4", "gzip"] as const;
        const ids = codecs.map((codec) => `af-${codec}`);
        const plane = await fleet.start();
        await plane.leads();
        await Promise.all(
          codecs.map((compression) => {
            const records = [registration(`af-${compression}`, { padding: "x".repeat(2_000) })];
            return kafka.tools.produce(REGISTRY, records, { compression });
          }),
        );
        await untilRuns(fleet, ids);
        await Promise.all(
          codecs.map((compression) =>
            kafka.tools.produce(HEARTBEAT, [beat(`af-${compression}`)], { compression }),
          ),
        );
        for (const id of ids) await untilShown(plane, id, { state: "active" });
        expect(plane.process.running()).toBe(true);
      },
      PATIENT,
    ),
  LIMIT_MS,
);
