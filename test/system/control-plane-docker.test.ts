/** The compiled control plane with a real Kafka and a real Docker Engine: what a fleet's containers live through. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import { loadSidecarImage, SIDECAR_IMAGE, WORKER_IMAGE } from "../bed/docker/image.ts";
import {
  type DockerScene,
  openDockerScene,
  RUN_MS,
  START_MS,
  untilWorker,
  workerName,
} from "./fleet-on-docker.ts";
import { LIMIT_MS, untilShown } from "./scenario.ts";

let scene: DockerScene;
beforeAll(async () => {
  scene = await openDockerScene();
  await loadSidecarImage(scene.docker.client);
}, START_MS);
afterAll(() => scene.stop(), START_MS);
afterEach(() => scene.docker.clear(), LIMIT_MS);

test(
  "a registration runs a container that joins its group; a tombstone leaves neither",
  () =>
    scene.onDocker(
      async ({ fleet, sender }) => {
        const id = "af-1";
        const group = `kg-builder-${id}`;
        const plane = await fleet.start();
        await plane.leads();
        await sender.register(id);
        const stopBeating = sender.beating(() => [id]);
        await scene.untilRunning(workerName(id));
        await untilWorker(plane, id, "running");
        const { Config } = await scene.inspect(workerName(id));
        expect(Config.Labels).toMatchObject({
          "outrider.fleet": fleet.fleet,
          "outrider.client-id": id,
          "outrider.name": workerName(id),
        });
        expect(Config.Env).toContain(`KAFKA_GROUP=${group}`);
        await until(
          "its group",
          async () => (await scene.kafka.tools.listGroups()).includes(group),
          {
            deadlineMs: RUN_MS,
          },
        );
        await stopBeating();
        await sender.withdraw(id);
        await untilShown(plane, id, { withdrawal: "done" }, RUN_MS);
        expect(await scene.docker.client.listContainers({ all: true })).toEqual([]);
        expect(await scene.kafka.tools.listGroups()).not.toContain(group);
      },
      { GRAPH_BUILDER_IMAGE: SIDECAR_IMAGE, GB_MEMORY_LIMIT: "256M", WORKER_SECRETS: "file" },
    ),
  LIMIT_MS,
);

test(
  "T8: a registration that names another container, then a tombstone: the other one lives",
  () =>
    scene.onDocker(async ({ fleet, sender }) => {
      const other = "kg-neo4j-production";
      const made = await scene.docker.client.createContainer({ name: other, Image: WORKER_IMAGE });
      await made.start();
      const plane = await fleet.start();
      await plane.leads();
      await sender.register("af-1", { GraphBuilderID: other, graph_builder_id: other });
      await scene.untilRunning(other, workerName("af-1"));
      await sender.withdraw("af-1");
      await untilShown(plane, "af-1", { withdrawal: "done" }, RUN_MS);
      expect(await scene.untilRunning(other)).toEqual({ [other]: made.id });
    }),
  LIMIT_MS,
);

test(
  "a worker that was killed, and an engine that was restarted: both end with a worker that runs",
  () =>
    scene.onDocker(async ({ fleet, sender }) => {
      const plane = await fleet.start();
      await plane.leads();
      await sender.register("af-1");
      const stopBeating = sender.beating(() => ["af-1"]);
      const another = async (than: string | undefined) =>
        await until(
          "another container",
          async () => {
            const id = (await scene.running())[workerName("af-1")];
            return id !== than && id;
          },
          { deadlineMs: RUN_MS },
        );
      const first = (await scene.untilRunning(workerName("af-1")))[workerName("af-1")];
      await untilWorker(plane, "af-1", "running");
      await scene.docker.client.getContainer(workerName("af-1")).kill();
      const second = await another(first);
      await untilWorker(plane, "af-1", "running");
      await scene.docker.engine.stop();
      await scene.docker.engine.start();
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
    scene.onDocker(async ({ fleet, sender }) => {
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
          if (!seen?.error?.includes("memory limit")) throw new Error(JSON.stringify(seen));
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
    scene.onDocker(async ({ fleet, sender }) => {
      const first = await fleet.start();
      await first.leads();
      await sender.register("af-1");
      const stopBeating = sender.beating(() => ["af-1"]);
      await scene.untilRunning(workerName("af-1"));
      await untilWorker(first, "af-1", "running");
      expect((await scene.inspect(workerName("af-1"))).HostConfig.Memory).toBe(64 * 1024 * 1024);
      await first.process.stop();
      const second = await fleet.start({ GB_MEMORY_LIMIT: "80M" });
      await second.leads();
      await until(
        "the new limit",
        async () => {
          const { HostConfig, State } = await scene.inspect(workerName("af-1"));
          return State.Running && HostConfig.Memory === 80 * 1024 * 1024;
        },
        { deadlineMs: RUN_MS },
      );
      await stopBeating();
    }),
  LIMIT_MS,
);
