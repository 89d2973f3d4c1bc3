/** The compiled control plane with a real Kafka and a real Docker Engine: what a fleet's containers live through. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { loadSidecarImage, SIDECAR_IMAGE, WORKER_IMAGE } from "../bed/docker/image.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { auditOf, LIMIT_MS, type Scene, untilShown, withFleet } from "./scenario.ts";

const START_MS = 120_000;
const RUN_MS = 40_000;

let docker: DockerBed;
let kafka: KafkaBed;
beforeAll(async () => {
  docker = await startDocker();
  kafka = await startKafka({ host: docker.network.gateway });
  await loadSidecarImage(docker.client);
}, START_MS);
afterAll(async () => {
  await kafka.stop();
  await docker.stop();
}, START_MS);
afterEach(() => docker.clear(), LIMIT_MS);

const onDocker = (
  scenario: (scene: Scene) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> =>
  withFleet(kafka, scenario, {
    RUNTIME: "docker",
    DOCKER_HOST: docker.host,
    DOCKER_NETWORK: docker.network.name,
    GRAPH_BUILDER_IMAGE: WORKER_IMAGE,
    GB_MEMORY_LIMIT: "64M",
    ...env,
  });

const nameOf = (id: string) => `kg-graph-builder-${id}`;
const inspect = (name: string) => docker.client.getContainer(name).inspect();

/** Ids of running containers by name. */
const running = async (): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries(
    (await docker.client.listContainers()).map(({ Names, Id }) => [Names[0]?.slice(1) ?? "", Id]),
  );

async function untilRunning(
  ...names: readonly string[]
): Promise<Readonly<Record<string, string>>> {
  const wanted = names.toSorted().join();
  return await until(
    `exactly [${wanted}] to run`,
    async () => {
      const now = await running();
      const seen = Object.keys(now).toSorted().join();
      if (seen !== wanted) throw new Error(`[${seen}]`);
      return now;
    },
    { deadlineMs: RUN_MS },
  );
}

const untilWorker = (plane: ControlPlane, id: string, state: string) =>
  until(
    `the worker of ${id} to be ${state}`,
    async () => {
      const seen = await plane.cluster(id);
      if (seen?.worker?.state !== state) throw new Error(JSON.stringify(seen));
      return seen;
    },
    { deadlineMs: RUN_MS },
  );

test(
  "a registration runs a container that joins its group; a tombstone leaves neither",
  () =>
    onDocker(
      async ({ fleet, sender }) => {
        const id = "af-1";
        const group = `kg-builder-${id}`;
        const plane = await fleet.start();
        await plane.leads();
        await sender.register(id);
        const stopBeating = sender.beating(() => [id]);
        await untilRunning(nameOf(id));
        await untilWorker(plane, id, "running");
        const { Config } = await inspect(nameOf(id));
        expect(Config.Labels).toMatchObject({
          "outrider.fleet": fleet.fleet,
          "outrider.client-id": id,
          "outrider.name": nameOf(id),
        });
        expect(Config.Env).toContain(`KAFKA_GROUP=${group}`);
        await until("its group", async () => (await kafka.tools.listGroups()).includes(group), {
          deadlineMs: RUN_MS,
        });
        await stopBeating();
        await sender.withdraw(id);
        await untilShown(plane, id, { withdrawal: "done" }, RUN_MS);
        expect(await docker.client.listContainers({ all: true })).toEqual([]);
        expect(await kafka.tools.listGroups()).not.toContain(group);
      },
      { GRAPH_BUILDER_IMAGE: SIDECAR_IMAGE, GB_MEMORY_LIMIT: "256M", WORKER_SECRETS: "file" },
    ),
  LIMIT_MS,
);

test(
  "T8: a registration that names another container, then a tombstone: the other one lives",
  () =>
    onDocker(async ({ fleet, sender }) => {
      const other = "kg-neo4j-production";
      const made = await docker.client.createContainer({ name: other, Image: WORKER_IMAGE });
      await made.start();
      const plane = await fleet.start();
      await plane.leads();
      await sender.register("af-1", { GraphBuilderID: other, graph_builder_id: other });
      await untilRunning(other, nameOf("af-1"));
      await sender.withdraw("af-1");
      await untilShown(plane, "af-1", { withdrawal: "done" }, RUN_MS);
      expect(await untilRunning(other)).toEqual({ [other]: made.id });
    }),
  LIMIT_MS,
);

test(
  "a worker that was killed, and an engine that was restarted: both end with a worker that runs",
  () =>
    onDocker(async ({ fleet, sender }) => {
      const plane = await fleet.start();
      await plane.leads();
      await sender.register("af-1");
      const stopBeating = sender.beating(() => ["af-1"]);
      const another = async (than: string | undefined) =>
        await until(
          "another container",
          async () => {
            const id = (await running())[nameOf("af-1")];
            return id !== than && id;
          },
          { deadlineMs: RUN_MS },
        );
      const first = (await untilRunning(nameOf("af-1")))[nameOf("af-1")];
      await untilWorker(plane, "af-1", "running");
      await docker.client.getContainer(nameOf("af-1")).kill();
      const second = await another(first);
      await untilWorker(plane, "af-1", "running");
      await docker.engine.stop();
      await docker.engine.start();
      await another(second);
      const seen = await untilWorker(plane, "af-1", "running");
      expect(seen.worker?.restarts).toBeGreaterThanOrEqual(2);
      await stopBeating();
    }),
  LIMIT_MS,
);

test(
  "a worker that takes more memory than its limit is a crash loop, and the API says why",
  () =>
    onDocker(async ({ fleet, sender }) => {
      const file = join(fleet.stateDir, "worker.env");
      await writeFile(file, "ACT=eat\n");
      const plane = await fleet.start({ WORKER_ENV_FILE: file });
      await plane.leads();
      await sender.register("af-1");
      const stopBeating = sender.beating(() => ["af-1"]);
      await until(
        "the reason",
        async () => {
          const seen = await plane.cluster("af-1");
          if (!seen?.error?.includes("limit of memory")) throw new Error(JSON.stringify(seen));
          return true;
        },
        { deadlineMs: RUN_MS },
      );
      await stopBeating();
    }),
  LIMIT_MS,
);

test(
  "another limit replaces the worker, which then has it",
  () =>
    onDocker(async ({ fleet, sender }) => {
      const first = await fleet.start();
      await first.leads();
      await sender.register("af-1");
      const stopBeating = sender.beating(() => ["af-1"]);
      await untilRunning(nameOf("af-1"));
      await untilWorker(first, "af-1", "running");
      expect((await inspect(nameOf("af-1"))).HostConfig.Memory).toBe(64 * 1024 * 1024);
      await first.process.stop();
      const second = await fleet.start({ GB_MEMORY_LIMIT: "80M" });
      await second.leads();
      await until(
        "the new limit",
        async () => {
          const { HostConfig, State } = await inspect(nameOf("af-1"));
          return State.Running && HostConfig.Memory === 80 * 1024 * 1024;
        },
        { deadlineMs: RUN_MS },
      );
      await stopBeating();
    }),
  LIMIT_MS,
);

/** As the original makes them: no labels, no limits, all in the environment. */
async function makeOriginal(id: string, change: Readonly<Record<string, string>> = {}) {
  const variables = {
    CLIENT_ID: id,
    KAFKA_GROUP: `kg-builder-${id}`,
    KAFKA_BROKERS: kafka.bootstrap,
    NEO4J_URI: "neo4j://neo4j:7687",
    NEO4J_USER: "neo4j",
    NEO4J_PASS: "password",
    ...change,
  };
  const made = await docker.client.createContainer({
    name: nameOf(id),
    Image: WORKER_IMAGE,
    Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    HostConfig: {
      NetworkMode: docker.network.name,
      RestartPolicy: { Name: "unless-stopped" },
      Init: true,
    },
  });
  await made.start();
  return made.id;
}

test(
  "containers of the original: left alone, shown by --plan --take-over, and taken over once with --take-over",
  () =>
    onDocker(async ({ fleet, sender }) => {
      const theirs = await makeOriginal("af-1");
      const odd = await makeOriginal("af-2", { KAFKA_GROUP: "somebody-elses" });
      const unregistered = await makeOriginal("af-3");
      const names = [nameOf("af-1"), nameOf("af-2"), nameOf("af-3")];
      const first = await fleet.start();
      await first.leads();
      const stopBeating = sender.beating(() => ["af-1", "af-2"]);
      for (const id of ["af-1", "af-2"]) {
        await sender.register(id);
        await until(
          "it to be shown",
          async () => {
            const seen = await first.cluster(id);
            if (!seen?.error?.includes("not our labels")) throw new Error(JSON.stringify(seen));
            return seen.worker === null;
          },
          { deadlineMs: RUN_MS },
        );
      }
      await first.process.stop();
      const plan = await fleet.run(["control-plane", "--plan", "--take-over"]);
      expect(plan.output).toContain(`stop ${nameOf("af-1")} (taken-over): ${theirs}`);
      expect(plan.output).toMatch(
        new RegExp(`blocked ${nameOf("af-2")}: .*KAFKA_GROUP is "somebody-elses"`, "u"),
      );
      expect(plan.output).not.toContain(nameOf("af-3"));
      expect(await untilRunning(...names)).toEqual({
        [nameOf("af-1")]: theirs,
        [nameOf("af-2")]: odd,
        [nameOf("af-3")]: unregistered,
      });
      const second = await fleet.start({}, ["--take-over"]);
      await second.leads();
      await untilWorker(second, "af-1", "running");
      const now = await untilRunning(...names);
      expect(now[nameOf("af-1")]).not.toBe(theirs);
      expect([now[nameOf("af-2")], now[nameOf("af-3")]]).toEqual([odd, unregistered]);
      expect((await inspect(nameOf("af-1"))).Config.Labels).toMatchObject({
        "outrider.fleet": fleet.fleet,
      });
      await second.process.stop();
      const third = await fleet.start({}, ["--take-over"]);
      await third.leads();
      await untilWorker(third, "af-1", "running");
      expect((await untilRunning(...names))[nameOf("af-1")]).toBe(now[nameOf("af-1")]);
      await stopBeating();
      const taken = (await auditOf(kafka)).filter(({ reason }) => reason.startsWith("taken-over"));
      expect(taken.map(({ phase, reason, result }) => [phase, reason, result])).toEqual([
        ["intent", `taken-over: ${theirs}`, undefined],
        ["outcome", `taken-over: ${theirs}`, "stopped"],
      ]);
    }),
  LIMIT_MS,
);

test(
  "--take-over is refused where workers are no containers",
  () =>
    onDocker(async ({ fleet }) => {
      const run = await fleet.run(["control-plane", "--plan", "--take-over"], {
        RUNTIME: "process",
      });
      expect(run.code).toBe(64);
      expect(run.output).toContain("--take-over: it is for containers");
    }),
  LIMIT_MS,
);
