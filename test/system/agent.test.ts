/** The agent's one-shot commands against a real Kafka, with the ledger written by hand. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { endOffsets } from "../../shared/kafka/offsets.ts";
import { openReader } from "../../shared/kafka/reader.ts";
import type { OutRecord } from "../../shared/kafka/record.ts";
import { ensureTopics } from "../../shared/kafka/topics.ts";
import { openWire, type Wire } from "../../shared/kafka/wire.ts";
import { openWriter } from "../../shared/kafka/writer.ts";
import { quarantineHeaders } from "../../shared/protocol/quarantine.ts";
import { QUARANTINE, REGISTRY, STATUS, topicPlans } from "../../shared/protocol/topic.ts";
import { compileAgent, type Environment } from "../agent/compiled.ts";
import {
  anApplied,
  appliedRecord,
  aStatus,
  aWorker,
  clientId,
  statusRecord,
} from "../agent/given.ts";
import { ensureJars } from "../bed/kafka/jars.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { freePort } from "../bed/port.ts";
import { BedUnavailable } from "../bed/unavailable.ts";

const LIMIT_MS = 180_000;
const CALL = { deadlineMs: 20_000 };
const log = () => {};
const USER = { name: "agent", password: "right-password", mechanism: "SCRAM-SHA-512" } as const;

const missing = await ensureJars().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the agent's hooks: ${missing}\n`);

const agent = await compileAgent();
afterAll(agent.remove);

let names = 0;
const newId = () => {
  names += 1;
  return clientId(`af-${names}`);
};

test(
  "agent names every wrong variable, and exits 64",
  async () => {
    const wrong = await agent.run(["register"], {
      CLIENT_ID: "Not_A_Label",
      HEARTBEAT_INTERVAL: "30",
      KAFKA_BROKERS: "kafka:port",
      SASL_ENABLED: "true",
      LOG_LEVEL: "loud",
    });
    expect(wrong.code).toBe(64);
    for (const name of [
      "CLIENT_ID",
      "HEARTBEAT_INTERVAL",
      "KAFKA_BROKERS",
      "SASL_USERNAME",
      "SASL_PASSWORD",
      "LOG_LEVEL",
    ]) {
      expect(wrong.text).toContain(name);
    }
    expect((await agent.run(["heartbeat"], {})).code).toBe(64);
    expect((await agent.run(["register", "--wait", "5"], { CLIENT_ID: "af-1" })).code).toBe(64);
    expect((await agent.run(["bogus"], {})).code).toBe(64);
  },
  LIMIT_MS,
);

test(
  "agent says help and version, and exits 0",
  async () => {
    for (const args of [["--help"], ["register", "--help"], ["run", "--help"], ["--version"]]) {
      const { code, text } = await agent.run(args, {});
      expect(code).toBe(0);
      expect(text).toMatch(/agent/u);
    }
  },
  LIMIT_MS,
);

describe.skipIf(missing !== undefined)("the agent's hooks", () => {
  let bed: KafkaBed;
  let wire: Wire;
  let topicId = "";

  const envOf = (id: string, more: Environment = {}): Environment => ({
    CLIENT_ID: id,
    KAFKA_BROKERS: bed.bootstrap,
    HOOK_TIMEOUT: "20s",
    ...more,
  });
  const saslOf = (id: string, password: string = USER.password): Environment =>
    envOf(id, {
      KAFKA_BROKERS: bed.bootstrapOf("SASL_PLAINTEXT"),
      SASL_ENABLED: "true",
      SASL_MECHANISM: USER.mechanism,
      SASL_USERNAME: USER.name,
      SASL_PASSWORD: password,
    });
  const write = async (topic: string, records: readonly OutRecord[]) => {
    const sent = await openWriter({ wire, log }).send(topic, records, CALL);
    if (!sent.ok) throw new Error(sent.error.detail);
  };
  const applied = (offset: number) => appliedRecord(anApplied(offset, { topic_id: topicId }));

  /** Plays the control plane: answers the next registry record of this client, given its offset. */
  const answering = async (id: string, answer: (offset: number) => Promise<void>) => {
    const ends = await endOffsets(wire, REGISTRY, CALL);
    if (!ends.ok) throw new Error(ends.error.detail);
    const reader = openReader({
      wire,
      log,
      positions: [{ topic: REGISTRY, partition: 0, offset: ends.value.offsets.get(0) ?? 0 }],
      deliver: async ({ records }) => {
        const mine = records.find(({ key }) => key?.toString() === id);
        if (mine !== undefined) await answer(mine.offset);
      },
      problem: () => undefined,
    });
    return reader.close;
  };

  beforeAll(async () => {
    bed = await startKafka({ listeners: ["SASL_PLAINTEXT"], users: [USER], authorizer: true });
    wire = openWire({ clientId: "bed", brokers: [bed.bootstrap] }, { log });
    const made = await ensureTopics(wire, topicPlans(6), { deadlineMs: 30_000 });
    if (!made.ok) throw new Error(made.error.detail);
    topicId = made.value.find(({ name }) => name === REGISTRY)?.topicId ?? "";
  }, LIMIT_MS);

  afterAll(async () => {
    await wire?.close();
    await bed?.stop();
  });

  test(
    "agent register and deregister write records that the Java tools read",
    async () => {
      const id = newId();
      const more = { NAMESPACE: "outrider", RELEASE_NAME: "edge", CLUSTER_VERSION: "1.2.3" };
      const registered = await agent.run(["register"], envOf(id, more));
      expect(registered.text).toMatch(/^registered af-\d+ \(cluster.registry-0 @ \d+\)\n$/u);
      expect(registered.code).toBe(0);
      expect((await agent.run(["register"], envOf(id, more))).code).toBe(0);
      const withdrawn = await agent.run(["deregister"], envOf(id));
      expect(withdrawn.text).toMatch(/^withdrew af-\d+ \(cluster.registry-0 @ \d+\)\n$/u);
      expect(withdrawn.code).toBe(0);
      const records = (await bed.tools.consume(REGISTRY)).filter(({ key }) => key === id);
      expect(records.map(({ value }) => value === null)).toEqual([false, false, true]);
      expect(JSON.parse(records[0]?.value ?? "")).toMatchObject({
        client_id: id,
        cluster_name: id,
        version: "1.2.3",
        metadata: { namespace: "outrider", release_name: "edge" },
        heartbeat_interval_seconds: 30,
        protocol: 1,
      });
    },
    LIMIT_MS,
  );

  test(
    "agent register ends with 69 when there is no Kafka, naming the brokers",
    async () => {
      const brokers = `127.0.0.1:${await freePort()},kafka.invalid:9092`;
      const ended = await agent.run(
        ["register"],
        envOf(newId(), { KAFKA_BROKERS: brokers, HOOK_TIMEOUT: "2s" }),
      );
      expect(ended.code).toBe(69);
      expect(ended.text).toContain(
        `Kafka at ${brokers} cannot be reached within HOOK_TIMEOUT (2s)`,
      );
      expect(ended.tookMs).toBeLessThan(2500);
    },
    LIMIT_MS,
  );

  test(
    "agent register ends with 77 at once on a wrong password, and does not tell it",
    async () => {
      const ended = await agent.run(["register"], saslOf(newId(), "wrong-password"));
      expect(ended.code).toBe(77);
      expect(ended.text).toContain("check SASL_USERNAME, SASL_PASSWORD");
      expect(ended.text).not.toContain("wrong-password");
      expect(ended.tookMs).toBeLessThan(10_000);
    },
    LIMIT_MS,
  );

  test(
    "agent register needs DESCRIBE and WRITE on the registry, and names what is missing",
    async () => {
      const [id, principal] = [newId(), `User:${USER.name}`];
      const blind = await agent.run(["register"], saslOf(id));
      expect(blind.code).toBe(77);
      expect(blind.text).toContain("DESCRIBE on topic cluster.");
      await bed.tools.allow({ principal, operations: ["Describe"], topic: REGISTRY });
      const mute = await agent.run(["register"], saslOf(id));
      expect(mute.code).toBe(77);
      expect(mute.text).toContain("missing permission: WRITE on topic cluster.registry");
      await bed.tools.allow({ principal, operations: ["Write"], topic: REGISTRY });
      expect((await agent.run(["register"], saslOf(id))).code).toBe(0);
      const deaf = await agent.run(["register", "--wait", "5s"], saslOf(id));
      expect(deaf.code).toBe(77);
      expect(deaf.text).toMatch(
        /registered .* the answer cannot be read: .*on topic cluster.status/u,
      );
    },
    LIMIT_MS,
  );

  test(
    "agent register --wait ends with 0 when the worker runs",
    async () => {
      const id = newId();
      const close = await answering(id, async (offset) => {
        await write(STATUS, [
          statusRecord(aStatus(offset, { client_id: id })),
          applied(offset + 1),
        ]);
        const worker = aWorker("running");
        await write(STATUS, [statusRecord(aStatus(offset, { client_id: id, worker }))]);
      });
      const ended = await agent.run(["register", "--wait", "15s"], envOf(id));
      await close();
      expect(ended.text).toMatch(
        /^registered .*; worker kg-graph-builder-af-\d+ runs after \d\.\d s\n$/u,
      );
      expect(ended.code).toBe(0);
    },
    LIMIT_MS,
  );

  test(
    "agent register --wait ends with 75 and what is known when the worker does not run",
    async () => {
      const id = newId();
      const close = await answering(id, (offset) => {
        const status = aStatus(offset, { client_id: id, worker: aWorker("crash-loop") });
        return write(STATUS, [statusRecord(status), applied(offset + 1)]);
      });
      const ended = await agent.run(["register", "--wait", "2s"], envOf(id));
      await close();
      expect(ended.code).toBe(75);
      expect(ended.text).toMatch(/\(--wait 2s\): accepted; the worker is in a crash loop/u);
    },
    LIMIT_MS,
  );

  test(
    "agent register --wait believes nothing that was said before its record",
    async () => {
      const id = newId();
      expect((await agent.run(["register"], envOf(id))).code).toBe(0);
      const old = aStatus(1_000_000, { client_id: id, worker: aWorker("running") });
      await write(STATUS, [statusRecord(old), applied(1_000_001)]);
      const ended = await agent.run(["register", "--wait", "1s"], envOf(id));
      expect(ended.code).toBe(75);
      expect(ended.text).toContain("no control plane has answered");
    },
    LIMIT_MS,
  );

  test(
    "agent register --wait ends with 77 when it is withdrawn meanwhile",
    async () => {
      const id = newId();
      const close = await answering(id, (offset) => {
        const registry = { partition: 0, offset: offset + 1, value: null, headers: {} };
        const status = aStatus(offset, { client_id: id, registry, withdrawal: "pending" });
        return write(STATUS, [statusRecord(status), applied(offset + 2)]);
      });
      const ended = await agent.run(["register", "--wait", "15s"], envOf(id));
      await close();
      expect(ended.code).toBe(77);
      expect(ended.text).toContain("withdrawn meanwhile");
    },
    LIMIT_MS,
  );

  test(
    "agent register --wait ends with 77 and the quarantine's reason when it is refused",
    async () => {
      const id = newId();
      const close = await answering(id, async (offset) => {
        const place = { topic: REGISTRY, partition: 0, key: null, value: null, headers: {} };
        const error = { code: "value-invalid", detail: "not as agreed" } as const;
        const other = { ...place, offset: offset - 1, error: { ...error, detail: "another" } };
        await write(
          QUARANTINE,
          [other, { ...place, offset, error }].map((refused) => ({
            key: id,
            value: null,
            headers: quarantineHeaders(refused),
          })),
        );
        await write(STATUS, [applied(offset + 1)]);
      });
      const ended = await agent.run(["register", "--wait", "15s"], envOf(id));
      await close();
      expect(ended.code).toBe(77);
      expect(ended.text).toMatch(/refused the record .* value-invalid: not as agreed\n$/u);
    },
    LIMIT_MS,
  );

  test(
    "agent deregister --wait ends with 0 when worker and group are gone, 75 before",
    async () => {
      const id = newId();
      const statusAt = (offset: number, withdrawal: "pending" | "done") =>
        statusRecord(
          aStatus(offset, {
            client_id: id,
            registry: { partition: 0, offset, value: null, headers: {} },
            withdrawal,
          }),
        );
      const pending = await answering(id, (offset) =>
        write(STATUS, [statusAt(offset, "pending"), applied(offset + 1)]),
      );
      const early = await agent.run(["deregister", "--wait", "1s"], envOf(id));
      await pending();
      expect(early.code).toBe(75);
      expect(early.text).toContain("withdrawal is pending");
      const done = await answering(id, async (offset) => {
        await write(STATUS, [statusAt(offset, "pending"), applied(offset + 1)]);
        await write(STATUS, [statusAt(offset, "done")]);
      });
      const late = await agent.run(["deregister", "--wait", "15s"], envOf(id));
      await done();
      expect(late.text).toMatch(/^withdrew .*; worker and group are gone after \d\.\d s\n$/u);
      expect(late.code).toBe(0);
    },
    LIMIT_MS,
  );
});
