/** `agent collect`, compiled, between a real Kubernetes and a real Kafka. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as v from "valibot";
import { type CompiledAgent, compileAgent } from "../agent/compiled.ts";
import { until } from "../bed/condition.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import { freePort } from "../bed/port.ts";
import {
  configMap,
  grant,
  hashesOf,
  makeAccount,
  NAMESPACE,
  PLANTED,
  plant,
  readHashes,
  WORDS,
} from "./collect-scene.ts";
import { type Collected, followClient, followCollected } from "./collected.ts";

const TEST_MS = 180_000;
const SOON = { deadlineMs: 60_000, intervalMs: 50 } as const;

let bed: KubernetesBed;
let kafka: KafkaBed;
let agent: CompiledAgent;
let kubeconfig: string;

beforeAll(async () => {
  bed = openKubernetes(import.meta.path);
  [kafka, agent, kubeconfig] = await Promise.all([
    startKafka({ heap: "384m" }),
    compileAgent(),
    makeAccount(bed),
  ]);
  await plant(bed);
}, TEST_MS);
afterAll(async () => {
  await kafka?.stop();
});

const environment = (clientId: string, more: Readonly<Record<string, string>> = {}) => ({
  CLIENT_ID: clientId,
  KAFKA_BROKERS: kafka.bootstrap,
  KUBECONFIG: kubeconfig,
  COLLECT_KINDS: WORDS.join(","),
  LOG_FORMAT: "text",
  ...more,
});

const differences = async (collected: Collected, words: readonly string[]) => {
  const lines: string[] = [];
  for (const word of words) {
    const [there, here] = [await hashesOf(bed, word), readHashes(collected, word)];
    if (there.join("\n") !== here.join("\n"))
      lines.push(`${word}: ${there.length} and ${here.length}`);
  }
  return lines;
};

const equal = (collected: Collected, words: readonly string[]) =>
  until(
    "the topic to be equal to the API server",
    async () => {
      const lines = await differences(collected, words);
      if (lines.length > 0) throw new Error(lines.join("; "));
      return true;
    },
    SOON,
  );

test(
  "agent collect --mode once sends all but what is forbidden, and no secret",
  async () => {
    const { code, text } = await agent.run(["collect", "--mode", "once"], environment("once-1"));
    expect(text).toContain("nodes: forbidden: ServiceAccount collected/collector may not");
    expect(code).toBe(0);
    const collected = await followCollected(kafka.bootstrap, "once-1");
    const allowed = WORDS.filter((word) => word !== "nodes");
    await equal(collected, allowed);
    expect(collected.state.closed.size).toBe(allowed.length);
    expect(collected.state.wrong).toEqual([]);
    expect(collected.state.lives).toHaveLength(1);
    const states = collected.state.scope?.kinds.filter(({ state }) => state !== "collected");
    expect(states?.map(({ kind, state }) => `${kind} ${state}`)).toEqual(["nodes forbidden"]);
    const everything = `${collected.text()}\n${text}`;
    expect(everything).not.toContain(PLANTED);
    expect(everything).not.toContain(btoa(PLANTED));
    const secrets = [...(collected.state.rows.get("secrets")?.values() ?? [])].map(
      ({ record }) => record,
    );
    const credentials = secrets.find(({ name }) => name === "credentials");
    expect(credentials?.object).toMatchObject({ type: "Opaque", data_keys: ["password", "user"] });
    await collected.close();
  },
  TEST_MS,
);

const Health = v.object({
  records_sent: v.number(),
  kinds: v.array(v.object({ kind: v.string(), state: v.string(), full_pass: v.string() })),
});

async function startWatch(clientId: string, more: Readonly<Record<string, string>> = {}) {
  const port = String(await freePort());
  const child = agent.start(["collect"], environment(clientId, { PORT: port, ...more }));
  const health = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/health/collect`);
    return v.parse(Health, await answer.json());
  };
  return { child, health, port };
}

test(
  "agent collect --mode watch follows through kills of agent and API server, and a right given back",
  async () => {
    const id = "watch-1";
    const first = await startWatch(id);
    await until(
      "the first pass",
      async () =>
        (await first.health()).kinds.filter((k) => k.full_pass === "closed").length ===
        WORDS.length - 1,
      SOON,
    );
    const collected = await followCollected(kafka.bootstrap, id);
    const many = Array.from({ length: 150 }, (_, n) => configMap(`many-${n}`, `a${n % 7}`));
    await bed.apply(...many.slice(0, 100));
    await equal(collected, ["configmaps"]);
    first.child.kill("SIGKILL");
    await first.child.exited;
    await bed.apply(...many.slice(100), configMap("many-1", "changed"));
    await bed.kubectl(["delete", "configmap", "many-2", "many-3", "-n", NAMESPACE, "--wait=true"]);
    const second = await startWatch(id);
    await equal(collected, ["configmaps", "pods", "secrets", "deployments"]);
    expect(collected.state.lives).toHaveLength(2);
    bed.apiServer.signal("SIGKILL");
    await bed.apiServer.start();
    await bed.apply(configMap("many-4", "after"));
    await bed.kubectl(["delete", "configmap", "many-5", "-n", NAMESPACE]);
    await equal(collected, ["configmaps"]);
    await grant(bed, ["nodes"]);
    await until("nodes to be collected", () => collected.state.closed.has("nodes"), SOON);
    await equal(collected, WORDS);
    const metrics = await (await fetch(`http://127.0.0.1:${second.port}/metrics`)).text();
    expect(metrics).toMatch(/cluster_info_messages_produced_total [1-9]/u);
    expect(metrics).toMatch(/cluster_info_collections_total\{status="success"\} 9/u);
    second.child.kill("SIGTERM");
    expect((await second.child.exited).code).toBe(0);
    expect(collected.state.wrong).toEqual([]);
    expect(`${collected.text()}${first.child.output()}${second.child.output()}`).not.toContain(
      PLANTED,
    );
    await collected.close();
    await grant(bed);
  },
  TEST_MS,
);

test(
  "agent collect yields to a CronJob with its client id, goes on after it, and through an outage of Kafka",
  async () => {
    const id = "shared-1";
    const lasting = await startWatch(id, { COLLECT_KINDS: "configmaps" });
    await until(
      "its pass",
      async () => (await lasting.health()).kinds[0]?.full_pass === "closed",
      SOON,
    );
    const collected = await followCollected(kafka.bootstrap, id);
    const words = ["collect", "--mode", "once"];
    const once = await agent.run(words, environment(id, { COLLECT_KINDS: "configmaps" }));
    expect(once.code).toBe(0);
    await bed.apply(configMap("between", "1"));
    await until("another life of the first", () => collected.state.lives.length === 3, SOON);
    await equal(collected, ["configmaps"]);
    expect(lasting.child.output()).toContain("this one stands by");
    const [broker] = kafka.brokers;
    await broker?.kill("SIGSTOP");
    await bed.apply(...Array.from({ length: 300 }, (_, n) => configMap(`outage-${n}`, "o")));
    await bed.kubectl(["delete", "configmap", "between", "-n", NAMESPACE]);
    await broker?.kill("SIGCONT");
    await equal(collected, ["configmaps"]);
    expect(collected.state.lives).toHaveLength(3);
    expect(collected.state.wrong).toEqual([]);
    await lasting.child.stop();
    await collected.close();
  },
  TEST_MS,
);

const CRD = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "databases.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "databases", singular: "database", kind: "Database" },
    versions: [
      {
        ...{ name: "v1", served: true, storage: true },
        schema: {
          openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    ],
  },
};
const database = (name: string) => ({
  apiVersion: "example.com/v1",
  kind: "Database",
  metadata: { name, namespace: NAMESPACE },
  spec: { engine: "postgres", password: PLANTED },
});
const Beat = v.object({ metrics: v.object({ resources_sent: v.number() }) });

test(
  "agent heartbeat with COLLECT=watch counts what it sent; a custom resource comes, goes, and comes again",
  async () => {
    const id = "beside-1";
    const port = String(await freePort());
    const child = agent.start(
      ["heartbeat"],
      environment(id, {
        PORT: port,
        KUBECONFIG: bed.kubeconfig,
        COLLECT: "watch",
        COLLECT_KINDS: "configmaps",
        COLLECT_NAMESPACES: NAMESPACE,
        COLLECT_CUSTOM_RESOURCES: "databases.example.com/v1=spec.engine",
        HEARTBEAT_INTERVAL: "1s",
      }),
    );
    const about = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    await until(
      "an empty pass",
      async () => (await (await about("/health/collect")).text()).includes("missing"),
      SOON,
    );
    const collected = await followCollected(kafka.bootstrap, id);
    const { rows, closed } = collected.state;
    const kind = "databases.example.com";
    const engines = () =>
      [...(rows.get(kind)?.values() ?? [])].map(({ record }) =>
        JSON.stringify(record.object["fields"]),
      );
    await until("the empty pass to be closed", () => closed.has(kind), SOON);
    for (const round of ["first", "second"]) {
      await bed.apply(CRD);
      await bed.kubectl(["wait", "--for=condition=Established", `crd/${kind}`, "--timeout=60s"]);
      await until(
        `the ${round} database to be made`,
        () => bed.apply(database(round)).then(() => true),
        SOON,
      );
      await until(
        `the ${round} database`,
        () => engines().join() === '{"spec.engine":"postgres"}',
        SOON,
      );
      await bed.kubectl(["delete", "crd", kind]);
      await until(`the ${round} end`, () => engines().length === 0, SOON);
    }
    const foreign = [...(rows.get("configmaps")?.values() ?? [])].filter(
      ({ record }) => record.namespace !== NAMESPACE,
    );
    expect(foreign).toEqual([]);
    let counted = 0;
    const close = await followClient(kafka.bootstrap, "cluster.heartbeat", id, ({ key, value }) => {
      if (key?.toString() !== id) return;
      counted = v.parse(Beat, JSON.parse(String(value))).metrics.resources_sent;
    });
    await until("beats that count", () => counted > 0, SOON);
    await close();
    expect((await about("/health/ready")).status).toBe(200);
    expect(await (await about("/metrics")).text()).toContain("outrider_agent_kafka_up 1");
    expect(collected.state.wrong).toEqual([]);
    expect(`${collected.text()}${child.output()}`).not.toContain(PLANTED);
    await child.stop();
    await collected.close();
  },
  TEST_MS,
);
