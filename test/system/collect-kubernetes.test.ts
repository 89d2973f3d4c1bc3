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
import { type Collected, followCollected } from "./collected.ts";

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
