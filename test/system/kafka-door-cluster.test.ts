/** The Kafka door against a cluster of three: leaders that die, and the group that elects ours. */
import { afterAll, describe, expect, test } from "bun:test";
import { deleteGroup } from "../../shared/kafka/admin/groups.ts";
import { ensureTopics } from "../../shared/kafka/admin/topics.ts";
import { type KafkaClient, openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import type { ReadProblem } from "../../shared/kafka/consumer/delivery.ts";
import { endOffsets } from "../../shared/kafka/consumer/offsets.ts";
import { electionProtocol } from "../../shared/kafka/election/assignment.ts";
import type { Generation } from "../../shared/kafka/election/context.ts";
import { joinMembership } from "../../shared/kafka/election/membership.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";

const LIMIT_MS = 240_000;
const CALL = { deadlineMs: 10_000 };
const SOON = { deadlineMs: 60_000 };
const log = () => {};

describe("the door to three brokers", () => {
  const wires: KafkaClient[] = [];
  afterAll(async () => {
    for (const each of wires.splice(0)) await each.close();
  });
  const bed = kafkaOfFile({ brokers: 3 });

  const newWire = () => {
    const client = openKafkaClient(
      { clientId: "door", brokers: bed.bootstrap.split(",") },
      { log },
    );
    wires.push(client);
    return client;
  };

  const newTopic = async (name: string, partitions: number) => {
    const specs = [{ name, partitions, config: { "min.insync.replicas": "1" } }];
    const made = await ensureTopics(newWire(), specs, SOON);
    if (!made.ok) throw new Error(made.error.detail);
  };

  const join = (topic: string, epoch: string, heartbeatIntervalMs = 300) => {
    const terms: Generation[] = [];
    const lost: string[] = [];
    const joined = joinMembership({
      client: newWire(),
      log,
      groupId: `group-${topic}`,
      topic,
      sessionTimeoutMs: 6000,
      rebalanceTimeoutMs: 6000,
      heartbeatIntervalMs,
      protocol: electionProtocol(topic, () => (terms.length === 0 ? "" : epoch)),
      onAssigned: (term) => terms.push(term),
      onLost: (reason) => lost.push(reason),
    });
    if (!joined.ok) throw new Error(joined.error.detail);
    return { terms, lost, member: joined.value };
  };

  test(
    "follows a killed leader with reader and writer, and loses nothing",
    async () => {
      const topic = "moves";
      const client = newWire();
      await newTopic(topic, 6);
      const seen = new Set<string>();
      const problems: ReadProblem[] = [];
      const positions = [0, 1, 2, 3, 4, 5].map((partition) => ({ topic, partition, offset: 0 }));
      const consumer = openConsumer({
        client,
        log,
        positions,
        deliver: ({ records }) => {
          for (const { value } of records) if (value !== null) seen.add(value.toString());
        },
        problem: (problem) => problems.push(problem),
      });
      const producer = openProducer({ client, log });
      const write = async (from: number) => {
        const records = positions.map(({ partition }) => ({
          key: "k",
          value: `${from + partition}`,
          partition,
        }));
        const sent = await producer.send(topic, records, { deadlineMs: 40_000 });
        expect(sent.ok ? "" : sent.error.detail).toBe("");
      };
      await write(0);
      await until("the first six", () => seen.size === 6, SOON);
      const leader = await client.leaderOf(topic, 0, CALL);
      if (!leader.ok) throw new Error(leader.error.detail);
      await bed.broker(leader.value.node.id).kill("SIGKILL");
      await write(6);
      await until("twelve", () => seen.size === 12, SOON);
      expect(problems.map(({ kind }) => kind)).toContain("unreachable");
      await until("recovered", () => problems.at(-1)?.kind === "recovered", SOON);
      await bed.broker(leader.value.node.id).start();
      const ends = await endOffsets(client, topic, CALL);
      expect(ends.ok && ends.value.offsets.size).toBe(6);
      await consumer.close();
    },
    LIMIT_MS,
  );

  test(
    "keeps the term of the one that leads, and fences whoever left",
    async () => {
      const topic = "elects";
      await newTopic(topic, 1);
      const first = join(topic, "1");
      const term = await until("the first term", () => first.terms[0], SOON);
      expect(await term.fence(CALL)).toEqual({ ok: true, value: null });
      const second = join(topic, "2");
      const kept = await until("a rebalance", () => first.terms[1], SOON);
      expect([kept.kept, term.lost.aborted, second.terms.length, first.lost.length]).toEqual([
        true,
        true,
        0,
        0,
      ]);
      expect((await kept.fence(CALL)).ok).toBe(true);
      const rows = await bed.tools.describeGroup(`group-${topic}`);
      expect(rows.map(({ partition, consumerId }) => [partition, consumerId])).toEqual([
        [0, kept.memberId],
      ]);
      const busy = await deleteGroup(newWire(), `group-${topic}`, CALL);
      expect(busy.ok ? "ok" : busy.error.code).toBe("group-not-empty");
      await first.member.close();
      expect(first.lost.length).toBe(1);
      const next = await until("the second takes over", () => second.terms[0], SOON);
      expect((await next.fence(CALL)).ok).toBe(true);
      await second.member.close();
      expect(await deleteGroup(newWire(), `group-${topic}`, CALL)).toEqual({
        ok: true,
        value: null,
      });
    },
    LIMIT_MS,
  );

  test(
    "fences a member that was silent, and tells it that its term is lost",
    async () => {
      const topic = "stalls";
      await newTopic(topic, 1);
      const silent = join(topic, "1", 600_000);
      const stale = await until("its term", () => silent.terms[0], SOON);
      const second = join(topic, "2");
      const next = await until("the second takes over", () => second.terms[0], SOON);
      const refused = await stale.fence(CALL);
      expect(refused.ok ? "ok" : refused.error.code).toBe("fenced");
      expect((await next.fence(CALL)).ok).toBe(true);
      await until("loss", () => silent.lost.includes("no contact for a session timeout"), SOON);
      await silent.member.close();
      await second.member.close();
    },
    LIMIT_MS,
  );

  test("refuses a session timeout that Kafka would refuse", () => {
    const refused = joinMembership({
      ...{ client: newWire(), log, groupId: "g", topic: "t", sessionTimeoutMs: 5999 },
      ...{
        rebalanceTimeoutMs: 6000,
        heartbeatIntervalMs: 300,
        protocol: electionProtocol("t", () => ""),
      },
      ...{ onAssigned: () => {}, onLost: () => {} },
    });
    expect(refused.ok ? "ok" : refused.error.code).toBe("invalid");
  });
});
