/** Switching from the original: its containers, made exactly as it makes them, and `--take-over`. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { until } from "../bed/condition.ts";
import { WORKER_IMAGE } from "../bed/docker/image.ts";
import {
  type DockerScene,
  openDockerScene,
  RUN_MS,
  START_MS,
  untilWorker,
  workerName,
} from "./fleet-on-docker.ts";
import { auditOf, LIMIT_MS } from "./scenario.ts";

let scene: DockerScene;
beforeAll(async () => {
  scene = await openDockerScene();
}, START_MS);
afterAll(() => scene.stop(), START_MS);
afterEach(() => scene.docker.clear(), LIMIT_MS);

/** As the original makes them: no labels, no limits, all in the environment. */
async function makeOriginal(id: string, change: Readonly<Record<string, string>> = {}) {
  const variables = {
    CLIENT_ID: id,
    KAFKA_GROUP: `kg-builder-${id}`,
    KAFKA_BROKERS: scene.kafka.bootstrap,
    NEO4J_URI: "neo4j://neo4j:7687",
    NEO4J_USER: "neo4j",
    NEO4J_PASS: "password",
    ...change,
  };
  const made = await scene.docker.client.createContainer({
    name: workerName(id),
    Image: WORKER_IMAGE,
    Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    HostConfig: {
      NetworkMode: scene.docker.network.name,
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
    scene.onDocker(async ({ fleet, sender }) => {
      const theirs = await makeOriginal("af-1");
      const odd = await makeOriginal("af-2", { KAFKA_GROUP: "somebody-elses" });
      const unregistered = await makeOriginal("af-3");
      const names = [workerName("af-1"), workerName("af-2"), workerName("af-3")];
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
      expect(plan.output).toContain(`stop ${workerName("af-1")} (taken-over): ${theirs}`);
      expect(plan.output).toMatch(
        new RegExp(`blocked ${workerName("af-2")}: .*KAFKA_GROUP is "somebody-elses"`, "u"),
      );
      expect(plan.output).not.toContain(workerName("af-3"));
      expect(await scene.untilRunning(...names)).toEqual({
        [workerName("af-1")]: theirs,
        [workerName("af-2")]: odd,
        [workerName("af-3")]: unregistered,
      });
      const second = await fleet.start({}, ["--take-over"]);
      await second.leads();
      await untilWorker(second, "af-1", "running");
      const now = await scene.untilRunning(...names);
      expect(now[workerName("af-1")]).not.toBe(theirs);
      expect([now[workerName("af-2")], now[workerName("af-3")]]).toEqual([odd, unregistered]);
      expect((await scene.inspect(workerName("af-1"))).Config.Labels).toMatchObject({
        "outrider.fleet": fleet.fleet,
      });
      await second.process.stop();
      const third = await fleet.start({}, ["--take-over"]);
      await third.leads();
      await untilWorker(third, "af-1", "running");
      expect((await scene.untilRunning(...names))[workerName("af-1")]).toBe(
        now[workerName("af-1")],
      );
      await stopBeating();
      const taken = (await auditOf(scene.kafka)).filter(({ reason }) =>
        reason.startsWith("taken-over"),
      );
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
    scene.onDocker(async ({ fleet }) => {
      const run = await fleet.run(["control-plane", "--plan", "--take-over"], {
        RUNTIME: "process",
      });
      expect(run.code).toBe(64);
      expect(run.output).toContain("--take-over: it is for containers");
    }),
  LIMIT_MS,
);
