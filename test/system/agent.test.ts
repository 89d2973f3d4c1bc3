/** The agent's one-shot commands against a real Kafka. */
import { beforeAll, describe, expect, test } from "bun:test";
import { REGISTRY } from "../../shared/protocol/topic.ts";
import { compileAgent, type Environment } from "../agent/compiled.ts";
import { clientId } from "../agent/given.ts";
import { playControlPlane } from "../agent/played-control-plane.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import { freePort } from "../bed/port.ts";
import { recordsOf } from "./scenario.ts";

const LIMIT_MS = 180_000;
const USER = { name: "agent", password: "right-password", mechanism: "SCRAM-SHA-512" } as const;

const agent = await compileAgent();

let names = 0;
const newId = () => {
  names += 1;
  return clientId(`af-${names}`);
};

test(
  "agent names every wrong variable, and exits 64",
  async () => {
    const wrong = await agent.run(["register"], {
      CLIENT_ID: "-not an id",
      HEARTBEAT_INTERVAL: "30",
      KAFKA_BROKERS: "kafka:port",
      SASL_ENABLED: "true",
      TLS_CA_FILE: "/nowhere/ca.pem",
      LOG_LEVEL: "loud",
    });
    expect(wrong.code).toBe(64);
    for (const name of [
      "CLIENT_ID",
      "HEARTBEAT_INTERVAL",
      "KAFKA_BROKERS",
      "SASL_USERNAME",
      "SASL_PASSWORD",
      "TLS_CA_FILE",
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

describe("the agent's hooks", () => {
  const bed = kafkaOfFile({ listeners: ["SASL_PLAINTEXT"], users: [USER], authorizer: true });

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
  beforeAll(async () => {
    const played = await playControlPlane(bed.bootstrap);
    await played.close();
  }, LIMIT_MS);

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
      const records = (await recordsOf(bed, REGISTRY)).filter(({ key }) => key === id);
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
});
