/** `check kafka` against a real Kafka, and against what is none: it says where it ends. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import { freePort } from "../bed/port.ts";
import { check, type Environment, type Hung, listenAndSayNothing } from "./checked.ts";
import { forget } from "./scenario.ts";

const LIMIT_MS = 120_000;
const USER = { name: "checked", password: "right-password", mechanism: "SCRAM-SHA-512" } as const;
const PRINCIPAL = `User:${USER.name}`;
/** Another one, so that no test sees what another one allowed. */
const PLANE = { ...USER, name: "plane" };

const bed = kafkaOfFile({
  listeners: ["SASL_PLAINTEXT", "SASL_SSL", "SSL"],
  users: [USER, PLANE],
  authorizer: true,
});
let hung: Hung;
beforeAll(async () => {
  hung = await listenAndSayNothing();
});
afterAll(() => {
  hung?.server.close();
});

const plain = (): Environment => ({ KAFKA_BROKERS: bed.bootstrap });
const sasl = (more: Environment = {}): Environment => ({
  KAFKA_BROKERS: bed.bootstrapOf("SASL_PLAINTEXT"),
  SASL_ENABLED: "true",
  SASL_MECHANISM: USER.mechanism,
  SASL_USERNAME: USER.name,
  SASL_PASSWORD: USER.password,
  ...more,
});
const mutualTls = (more: Environment = {}): Environment => ({
  KAFKA_BROKERS: bed.bootstrapOf("SSL"),
  TLS_CA_FILE: bed.certificates.caFile,
  TLS_CERT_FILE: bed.certificates.client.certFile,
  TLS_KEY_FILE: bed.certificates.client.keyFile,
  ...more,
});

test(
  "agent check kafka passes on a Kafka that allows everything, and makes nothing there",
  async () => {
    await forget(bed);
    const { code, output, steps } = await check("agent", plain());
    expect(output).toContain("Kafka is as the agent needs it.");
    expect(code).toBe(0);
    expect(steps("FAILED")).toEqual([]);
    expect(steps("ok").map((name) => name.split(" ")[0])).toEqual([
      ...["dns", "tcp", "kafka", "metadata"],
      ...["permissions", "topic", "permissions", "topic", "permissions", "permissions"],
    ]);
    expect(output).toContain("absent; it is made when it is first needed");
    expect((await bed.tools.listTopics()).filter((name) => !name.startsWith("__"))).toEqual([]);
  },
  LIMIT_MS,
);

test(
  "sidecar check kafka asks for topics and groups of the control plane, and of a worker",
  async () => {
    const plane = await check("sidecar", plain());
    expect(plane).toMatchObject({ code: 0 });
    expect(plane.steps("ok")).toContain("permissions on topic cluster.audit");
    expect(plane.output).toContain(`permissions on group outrider-control-plane-${bed.clusterId}`);
    expect(plane.output).toContain("permissions on group kg-builder-");
    const worker = await check("sidecar", plain(), "--as", "worker");
    expect(worker.code).toBe(0);
    expect(worker.output).not.toContain("cluster.audit");
    expect(worker.output).toContain("Kafka is as a worker needs it");
    const local = { HOSTNAME: "kafka-0", LOCAL_BROKER: bed.bootstrap };
    const broker = await check("sidecar", local, "--as", "broker");
    expect(broker.output).toContain("Kafka is as the broker sidecar needs it");
    expect(broker.steps("ok")).toContain("permissions on the cluster");
  },
  LIMIT_MS,
);

type Row = {
  readonly what: string;
  readonly env: () => Environment | Promise<Environment>;
  readonly code: number;
  /** The step at which it ends. */
  readonly at: RegExp;
  readonly says: readonly (string | RegExp)[];
};

const rows: readonly Row[] = [
  {
    what: "a name that nobody knows",
    env: () => ({ KAFKA_BROKERS: "kafka.invalid:9092" }),
    code: 69,
    at: /^dns kafka\.invalid:9092$/u,
    says: ["kafka.invalid is not known here", "KAFKA_BROKERS"],
  },
  {
    what: "a closed port",
    env: async () => ({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` }),
    code: 69,
    at: /^tcp /u,
    says: ["ECONNREFUSED", "Nothing accepts connections there"],
  },
  {
    what: "a port that accepts and says nothing",
    env: () => ({ KAFKA_BROKERS: `127.0.0.1:${hung.port}` }),
    code: 69,
    at: /^kafka /u,
    says: ["no answer within", "TLS_ENABLED", "Does the broker hang?"],
  },
  {
    what: "TLS to a port that says nothing",
    env: () => mutualTls({ KAFKA_BROKERS: `127.0.0.1:${hung.port}` }),
    code: 69,
    at: /^tls /u,
    says: ["no answer within", "does this listener speak TLS"],
  },
  {
    what: "TLS to a listener without",
    env: () => mutualTls({ KAFKA_BROKERS: bed.bootstrap }),
    code: 69,
    at: /^tls /u,
    says: ["does this listener speak TLS at all (else TLS_ENABLED=false)"],
  },
  {
    what: "no TLS to a listener with",
    env: () => ({ KAFKA_BROKERS: bed.bootstrapOf("SSL") }),
    code: 69,
    at: /^kafka /u,
    says: ["Does it want TLS (TLS_ENABLED)?"],
  },
  {
    what: "a broker whose authority is not ours",
    env: () => mutualTls({ TLS_CA_FILE: "/etc/ssl/certs/ca-certificates.crt" }),
    code: 77,
    at: /^tls /u,
    says: ["TLS_CA_FILE must hold the authority that signed it"],
  },
  {
    what: "a broker of another name",
    env: () => mutualTls({ TLS_SERVER_NAME: "kafka.example" }),
    code: 77,
    at: /^tls /u,
    says: ["TLS_SERVER_NAME", "kafka.example"],
  },
  {
    what: "a client certificate that has expired",
    env: async () => {
      const expired = await bed.certificates.expiredClient();
      return mutualTls({ TLS_CERT_FILE: expired.certFile, TLS_KEY_FILE: expired.keyFile });
    },
    code: 77,
    at: /^tls /u,
    says: [/our certificate \(CN=outrider-client\) has expired/u],
  },
  {
    what: "no client certificate where one is wanted",
    env: () => ({
      KAFKA_BROKERS: bed.bootstrapOf("SSL"),
      TLS_CA_FILE: bed.certificates.caFile,
    }),
    code: 77,
    at: /^kafka /u,
    says: ["TLS_CERT_FILE"],
  },
  {
    what: "a wrong password",
    env: () => sasl({ SASL_PASSWORD: "wrong-password" }),
    code: 77,
    at: /^sasl /u,
    says: ["Check SASL_USERNAME, SASL_PASSWORD and SASL_MECHANISM"],
  },
  {
    what: "no SASL where it is wanted",
    env: () => ({ KAFKA_BROKERS: bed.bootstrapOf("SASL_PLAINTEXT") }),
    code: 69,
    at: /^metadata$/u,
    says: ["needs SASL: SASL_ENABLED"],
  },
  {
    what: "SASL where there is none",
    env: () => sasl({ KAFKA_BROKERS: bed.bootstrap }),
    code: 77,
    at: /^sasl /u,
    says: ["that this listener wants SASL"],
  },
  {
    what: "a wrong configuration",
    env: () => ({ KAFKA_BROKERS: "a b", TLS_CA_FILE: "/nowhere/ca.pem" }),
    code: 64,
    at: /^$/u,
    says: ["KAFKA_BROKERS", "TLS_CA_FILE"],
  },
];

test.each(rows)(
  "agent check kafka ends at $what",
  async ({ env, code, at, says }) => {
    const checked = await check("agent", await env());
    const context = `exit ${checked.code}\n${checked.output}`;
    for (const text of says) expect(context).toMatch(text);
    expect(context).toContain(`exit ${code}\n`);
    expect(checked.steps("FAILED")[0] ?? "").toMatch(at);
    expect(checked.output).not.toContain("password\n");
    expect(checked.output).not.toContain("wrong-password");
  },
  LIMIT_MS,
);

test(
  "check kafka passes over a dead address where another one works, and says so",
  async () => {
    const dead = `127.0.0.1:${await freePort()}`;
    const checked = await check("agent", { KAFKA_BROKERS: `${dead},${bed.bootstrap}` });
    expect(checked.output).toContain("but 1 of KAFKA_BROKERS cannot be used");
    expect(checked.code).toBe(0);
    expect(checked.steps("FAILED")).toEqual([`tcp ${dead}`]);
  },
  LIMIT_MS,
);

test(
  "check kafka names each missing permission and what adds it, and each topic that is missing",
  async () => {
    await forget(bed);
    const blind = await check("agent", sasl());
    expect(blind.code).toBe(77);
    expect(blind.output).toContain("missing permission: WRITE, DESCRIBE on topic cluster.registry");
    expect(blind.output).toContain(
      "--operation Write --operation Describe --topic cluster.registry",
    );
    expect(blind.steps("warning")).toEqual([
      "permissions on topic cluster.status",
      "permissions on topic cluster.quarantine",
    ]);
    for (const topic of ["cluster.registry", "cluster.heartbeat"]) {
      await bed.tools.allow({ principal: PRINCIPAL, operations: ["Write"], topic });
    }
    const absent = await check("agent", sasl());
    expect(absent.code).toBe(77);
    expect(absent.steps("FAILED")).toEqual(["topic cluster.registry", "topic cluster.heartbeat"]);
    expect(absent.output).toContain(
      "missing permission: CREATE on topic cluster.registry (or on the cluster)",
    );
    await bed.tools.createTopic("cluster.registry");
    await bed.tools.createTopic("cluster.heartbeat", 6);
    const there = await check("agent", sasl());
    expect(there.output).toContain("6 partitions");
    expect(there.code).toBe(0);
  },
  LIMIT_MS,
);

test(
  "sidecar check kafka names the group that may not be used",
  async () => {
    for (const topic of ["cluster", "cluster-info"]) {
      const operations = ["Read", "Write", "Create"];
      await bed.tools.allow({ principal: "User:plane", operations, topic, prefixed: true });
    }
    const none = await check("sidecar", sasl({ FLEET: "north", SASL_USERNAME: PLANE.name }));
    expect(none.code).toBe(77);
    const group = `outrider-control-plane-${bed.clusterId}`;
    expect(none.output).toContain(`READ on group ${group}`);
    // In which 0.1 elected.
    expect(none.output).toContain("DESCRIBE on group outrider-control-plane-north");
    expect(none.output).toContain("DELETE, DESCRIBE on group kg-builder-*");
    await bed.tools.allow({
      ...{
        principal: "User:plane",
        operations: ["Describe"],
        group: "outrider-control-plane-north",
      },
    });
    await bed.tools.allow({ principal: "User:plane", operations: ["Read"], group });
    await bed.tools.allow({
      ...{ principal: "User:plane", operations: ["Delete"], group: "kg-builder-", prefixed: true },
    });
    const all = await check("sidecar", sasl({ FLEET: "north", SASL_USERNAME: PLANE.name }));
    expect(all.output).toContain("Kafka is as the control plane needs it.");
    expect(all.code).toBe(0);
  },
  LIMIT_MS,
);
