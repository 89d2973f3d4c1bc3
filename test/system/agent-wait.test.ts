/** `--wait` of the agent's one-shot commands, against a real Kafka and a control plane played by hand. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { quarantineHeaders } from "../../shared/protocol/quarantine.ts";
import { QUARANTINE, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { compileAgent, type Environment } from "../agent/compiled.ts";
import { aStatus, aWorker, clientId, statusRecord } from "../agent/given.ts";
import { type PlayedControlPlane, playControlPlane } from "../agent/played-control-plane.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";

const LIMIT_MS = 180_000;

const agent = await compileAgent();

let names = 0;
const newId = () => {
  names += 1;
  return clientId(`af-${names}`);
};

describe("the agent's --wait", () => {
  let played: PlayedControlPlane;
  afterAll(() => played?.close());
  const bed = kafkaOfFile();

  const envOf = (id: string): Environment => ({
    CLIENT_ID: id,
    KAFKA_BROKERS: bed.bootstrap,
    HOOK_TIMEOUT: "20s",
  });

  beforeAll(async () => {
    played = await playControlPlane(bed.bootstrap);
  }, LIMIT_MS);

  test(
    "agent register --wait ends with 0 when the worker runs",
    async () => {
      const id = newId();
      const close = await played.answering(id, async (offset) => {
        await played.write(STATUS, [
          statusRecord(aStatus(offset, { client_id: id })),
          played.applied(offset + 1),
        ]);
        const worker = aWorker("running");
        await played.write(STATUS, [statusRecord(aStatus(offset, { client_id: id, worker }))]);
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
      const close = await played.answering(id, (offset) => {
        const status = aStatus(offset, { client_id: id, worker: aWorker("crash-loop") });
        return played.write(STATUS, [statusRecord(status), played.applied(offset + 1)]);
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
      await played.write(STATUS, [statusRecord(old), played.applied(1_000_001)]);
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
      const close = await played.answering(id, (offset) => {
        const registry = { partition: 0, offset: offset + 1, value: null, headers: {} };
        const status = aStatus(offset, { client_id: id, registry, withdrawal: "pending" });
        return played.write(STATUS, [statusRecord(status), played.applied(offset + 2)]);
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
      const close = await played.answering(id, async (offset) => {
        const place = { topic: REGISTRY, partition: 0, key: null, value: null, headers: {} };
        const error = { code: "value-invalid", detail: "not what was agreed" } as const;
        const other = { ...place, offset: offset - 1, error: { ...error, detail: "another" } };
        await played.write(
          QUARANTINE,
          [other, { ...place, offset, error }].map((refused) => ({
            key: id,
            value: null,
            headers: quarantineHeaders(refused),
          })),
        );
        await played.write(STATUS, [played.applied(offset + 1)]);
      });
      const ended = await agent.run(["register", "--wait", "15s"], envOf(id));
      await close();
      expect(ended.code).toBe(77);
      expect(ended.text).toMatch(/refused .* value-invalid: not what was agreed\n$/u);
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
      const pending = await played.answering(id, (offset) =>
        played.write(STATUS, [statusAt(offset, "pending"), played.applied(offset + 1)]),
      );
      const early = await agent.run(["deregister", "--wait", "1s"], envOf(id));
      await pending();
      expect(early.code).toBe(75);
      expect(early.text).toContain("withdrawal is pending");
      const done = await played.answering(id, async (offset) => {
        await played.write(STATUS, [statusAt(offset, "pending"), played.applied(offset + 1)]);
        await played.write(STATUS, [statusAt(offset, "done")]);
      });
      const late = await agent.run(["deregister", "--wait", "15s"], envOf(id));
      await done();
      expect(late.text).toMatch(/^withdrew .*; worker and group are gone after \d\.\d s\n$/u);
      expect(late.code).toBe(0);
    },
    LIMIT_MS,
  );
});
