/** The Kafka bed itself: what it starts, whom it lets in, and that it leaves nothing behind. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { until } from "../condition.ts";
import { startProcess, stopAll } from "../process.ts";
import { BedUnavailable } from "../unavailable.ts";
import { ensureJars } from "./jars.ts";
import { type KafkaBed, type KafkaOptions, startKafka } from "./kafka.ts";

const LIMIT_MS = 180_000;
const PASSWORD = 'a "quoted" \\ pass, [word]=';

const missing = await ensureJars().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the Kafka bed's own tests: ${missing}\n`);

const beds: KafkaBed[] = [];

async function started(options: KafkaOptions): Promise<KafkaBed> {
  const since = performance.now();
  const bed = await startKafka(options);
  beds.push(bed);
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  process.stderr.write(`kafka bed: ${bed.brokers.length} broker(s) in ${seconds} s\n`);
  return bed;
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

afterEach(async () => {
  await Promise.all(beds.splice(0).map((bed) => bed.stop()));
});
afterAll(stopAll);

describe.skipIf(missing !== undefined)("startKafka()", () => {
  test(
    "carries keys, nulls, empty texts and headers between Java clients",
    async () => {
      const bed = await started({});
      await bed.tools.createTopic("round", 2, { "retention.ms": "86400000" });
      const sent = [
        { key: "a", value: "one: ä\t1", headers: { x: "1", y: "2:3" } },
        { key: "a", value: null, headers: {} },
        { key: "a", value: "", headers: {} },
        { key: null, value: "no key", headers: {} },
      ];
      await bed.tools.produce("round", sent, { compression: "zstd" });
      const seen = await bed.tools.consume("round", { count: 4, group: "readers" });
      const plain = seen.map(({ key, value, headers }) => ({ key, value, headers }));
      expect(plain).toHaveLength(4);
      expect(plain).toEqual(expect.arrayContaining(sent));
      expect(plain.filter(({ key }) => key === "a")).toEqual(sent.slice(0, 3));
      expect(await bed.tools.listGroups()).toEqual(["readers"]);
      const rows = await bed.tools.describeGroup("readers");
      expect(rows.map(({ lag, clientId }) => ({ lag, clientId }))).toEqual([
        { lag: 0, clientId: null },
        { lag: 0, clientId: null },
      ]);
    },
    LIMIT_MS,
  );

  test(
    "lets in SASL users and certificate holders, and refuses others and what no ACL allows",
    async () => {
      const users = [
        { name: "plain", password: PASSWORD, mechanism: "PLAIN" },
        { name: "scram", password: PASSWORD, mechanism: "SCRAM-SHA-256" },
        { name: "scram", password: "other", mechanism: "SCRAM-SHA-512" },
      ] as const;
      const bed = await started({
        listeners: ["SASL_PLAINTEXT", "SASL_SSL", "SSL"],
        users,
        authorizer: true,
      });
      await bed.tools.createTopic("guarded");
      const allowed = ["User:plain", "User:scram", "User:CN=outrider-client"].map((principal) =>
        bed.tools.allow({ principal, operations: ["Write", "Describe"], topic: "guarded" }),
      );
      await Promise.all(allowed);
      const [plain, scram256, scram512] = users;
      const identities = [
        { listener: "SASL_PLAINTEXT", user: plain },
        { listener: "SASL_PLAINTEXT", user: scram256 },
        { listener: "SASL_SSL", user: scram512 },
        { listener: "SSL" },
      ] as const;
      const produced = identities.map(async (identity) => {
        const tools = await bed.toolsAs(identity);
        await tools.produce("guarded", [{ value: identity.listener }]);
      });
      await Promise.all(produced);
      expect(await bed.tools.consume("guarded", { count: 4 })).toHaveLength(4);

      const refused = async (
        identity: Parameters<KafkaBed["toolsAs"]>[0],
        topic: string,
        because: RegExp,
      ) => {
        const tools = await bed.toolsAs(identity);
        const properties = { "max.block.ms": "5000" };
        const attempt = tools.produce(topic, [{ value: "x" }], { properties });
        expect(await attempt.then(() => "accepted", String)).toMatch(because);
      };
      const stranger = { ...scram256, password: "wrong" };
      const certificate = await bed.certificates.expiredClient();
      const alert = /Received fatal alert: certificate_unknown/;
      await Promise.all([
        refused({ listener: "SASL_PLAINTEXT", user: stranger }, "guarded", /invalid credentials/),
        refused({ listener: "SSL" }, "other", /not authorized|AuthorizationException/i),
        refused({ listener: "SSL", certificate }, "guarded", alert),
      ]);
    },
    LIMIT_MS,
  );

  test(
    "forms a cluster of three whose brokers can be killed, stopped and started again",
    async () => {
      // A broker that was killed comes back when its old session is over.
      const properties = {
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
      };
      const bed = await started({ brokers: 3, properties });
      await bed.tools.createTopic("three", 3, { "min.insync.replicas": "2" });
      const producer = bed.tools.openProducer("three");
      await producer.send([{ key: "1", value: "before" }]);
      const first = bed.broker(0);
      const pid = first.pid;
      await first.kill("SIGKILL");
      expect(first.running).toBe(false);
      expect(lives(pid)).toBe(false);
      await producer.send([{ key: "1", value: "while one is down" }]);
      await first.start();
      expect(first.pid).not.toBe(pid);
      await bed.broker(1).stop();
      await bed.broker(1).start();
      await producer.send([{ key: "1", value: "after" }]);
      await producer.close();
      const seen = await bed.tools.consume("three", { count: 3 });
      expect(seen.map(({ value }) => value)).toEqual(["before", "while one is down", "after"]);
      const described = await bed.tools.describeTopic("three");
      expect(described).toContain("ReplicationFactor: 3");
    },
    LIMIT_MS,
  );

  test(
    "starts Java with the classes of a former start",
    async () => {
      const bed = await started({});
      const maps = await Bun.file(`/proc/${bed.broker(0).pid}/maps`).text();
      expect(maps).toMatch(/kafka-[^/]+\/classes-[0-9a-f]+\.jsa$/mu);
    },
    LIMIT_MS,
  );

  test(
    "leaves no process and no file behind when its starter is killed",
    async () => {
      const script = `
        const { startKafka } = await import(${JSON.stringify(join(import.meta.dir, "kafka.ts"))});
        const bed = await startKafka();
        const tool = bed.tools.openProducer("none");
        await bed.broker(0).kill("SIGSTOP");
        console.log("READY " + JSON.stringify({
          pids: [bed.broker(0).pid, tool.pid],
          dir: bed.dir,
        }));
        setInterval(() => undefined, 1000);`;
      const starter = startProcess({
        name: "starter",
        command: [process.execPath, "-e", script],
        env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      });
      const [, line = ""] = await starter.waitForOutput(/READY (.*)\n/, 90_000);
      const { pids, dir }: { pids: number[]; dir: string } = JSON.parse(line);
      expect(pids.map(lives)).toEqual([true, true]);
      starter.kill("SIGKILL");
      await starter.exited;
      await until("broker and tool to be gone", () => !pids.some(lives), { deadlineMs: 5000 });
      await until("its files to be gone", () => !existsSync(dir), { deadlineMs: 5000 });
    },
    LIMIT_MS,
  );
});
