/** What a registration needs of the topics: the registry, and nothing else. */
import { expect, test } from "bun:test";
import { prepareTopics } from "../../agent/registry.ts";
import { HEARTBEAT, REGISTRY } from "../../shared/protocol/topic.ts";
import { aTopic, playKafka } from "./played-kafka.ts";

const POLICY_VIOLATION = 44;
const TOPIC_AUTHORIZATION_FAILED = 29;
const CALL = { deadlineMs: 2000 };
const registry = aTopic(REGISTRY, [1]);
const prepared = { ok: true, value: `id of ${REGISTRY}` } as const;

test("prepareTopics() does not wait for the leaders of a heartbeat topic that is there", async () => {
  const { kafka, said } = playKafka({ topics: [registry, aTopic(HEARTBEAT, [1, -1])] });
  const startedMs = performance.now();
  expect(await prepareTopics(kafka, CALL)).toEqual(prepared);
  expect(performance.now() - startedMs).toBeLessThan(500);
  expect(said).toEqual([]);
});

test.each([
  ["a policy that refuses its partitions", { refusals: { [HEARTBEAT]: POLICY_VIOLATION } }],
  ["a missing permission", { refusals: { [HEARTBEAT]: TOPIC_AUTHORIZATION_FAILED } }],
  ["a hung broker", { silent: [HEARTBEAT] }],
])("prepareTopics() warns of %s for the heartbeat topic, and goes on", async (_, trouble) => {
  const { kafka, said } = playKafka({ topics: [registry], ...trouble });
  const startedMs = performance.now();
  expect(await prepareTopics(kafka, CALL)).toEqual(prepared);
  // Half of the attempt is left for the write.
  expect(performance.now() - startedMs).toBeLessThan(1500);
  expect(said.map(({ level }) => level)).toEqual(["warn"]);
  expect(said[0]?.message).toContain("the registration goes on");
});

test("prepareTopics() is strict about the registry", async () => {
  const refusals = { [REGISTRY]: POLICY_VIOLATION };
  const refused = await prepareTopics(playKafka({ topics: [], refusals }).kafka, CALL);
  expect(!refused.ok && refused.error.retry).toBe("terminal");
  const leaderless = playKafka({ topics: [aTopic(REGISTRY, [-1])] });
  const waited = await prepareTopics(leaderless.kafka, { deadlineMs: 200 });
  expect(!waited.ok && waited.error.code).toBe("not-leader");
});

test("prepareTopics() asks for no DescribeConfigs but at the level debug", async () => {
  const played = { topics: [registry], configCode: TOPIC_AUTHORIZATION_FAILED };
  const { kafka, said } = playKafka(played);
  expect(await prepareTopics(kafka, CALL)).toEqual(prepared);
  expect(new Set(said.map(({ level }) => level))).toEqual(new Set(["debug"]));
  expect(said[0]?.message).toContain("DESCRIBE_CONFIGS");
});
