/** Rollouts of the compiled control plane on a real Docker Engine: bad images and bad programs cost one worker at most. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import { loadWorkerImage, WORKER_IMAGE } from "../bed/docker/image.ts";
import { startRegistry } from "../bed/docker/registry.ts";
import {
  type DockerScene,
  openDockerScene,
  RUN_MS,
  START_MS,
  untilWorker,
  workerName,
} from "./fleet-on-docker.ts";
import { LIMIT_MS, twoRounds, untilHalted, untilShown } from "./scenario.ts";

const IDS = Array.from({ length: 6 }, (_, index) => `af-${index}`);

let scene: DockerScene;
let registry: Awaited<ReturnType<typeof startRegistry>>;
/** An image that a registry has, and the engine has not. */
let pulled: string;
beforeAll(async () => {
  scene = await openDockerScene();
  registry = await startRegistry();
  pulled = await registry.take(scene.docker.client, WORKER_IMAGE);
  await loadWorkerImage(scene.docker.client);
}, START_MS);
afterAll(async () => {
  await registry.stop();
  await scene.stop();
}, START_MS);

test(
  "an image that cannot be had stops nobody, a program that dies one; a good image is pulled and goes everywhere",
  () =>
    scene.onDocker(
      async ({ fleet, sender }) => {
        const first = await fleet.start();
        await first.leads();
        await Promise.all(IDS.map((id) => sender.register(id)));
        const stopBeating = sender.beating(() => IDS);
        const before = await scene.untilRunning(...IDS.map(workerName));
        for (const id of IDS) await untilWorker(first, id, "running");
        for (const id of IDS) await untilShown(first, id, { state: "active" });
        await first.process.stop();

        let plane = await fleet.start({ GRAPH_BUILDER_IMAGE: "127.0.0.1:1/no/such:9" });
        await plane.leads();
        await untilHalted(plane, "image 127.0.0.1:1/no/such:9 is not on the engine");
        await twoRounds(plane);
        expect(await scene.running()).toEqual(before);
        await plane.process.stop();

        const file = join(fleet.stateDir, "worker.env");
        await writeFile(file, "ACT=eat\n");
        plane = await fleet.start({ WORKER_ENV_FILE: file });
        await plane.leads();
        await untilHalted(plane, "its memory limit");
        await twoRounds(plane);
        const now = await scene.running();
        const kept = IDS.filter((id) => now[workerName(id)] === before[workerName(id)]);
        expect(kept.length).toBe(IDS.length - 1);
        await plane.process.stop();

        plane = await fleet.start({ GRAPH_BUILDER_IMAGE: pulled });
        await plane.leads();
        await until(
          "all to run it",
          async () => {
            const all = await scene.docker.client.listContainers();
            return all.length === IDS.length && all.every(({ Image }) => Image === pulled);
          },
          { deadlineMs: 2 * RUN_MS },
        );
        expect(plane.process.output()).toContain("pulled image");
        await stopBeating();
      },
      { WORKER_MIN_READY: "5s" },
    ),
  2 * LIMIT_MS,
);
