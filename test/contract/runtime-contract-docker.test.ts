/** The runtime contract on real containers of a real engine. */
import { afterAll, beforeAll } from "bun:test";
import { writeFileSync } from "node:fs";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { WORKER_IMAGE } from "../bed/docker/image.ts";
import { runtimeContract } from "./runtime.ts";
import { openDocker, variablesOf, workerPid } from "./runtime-docker-bed.ts";
import type { RuntimeSubject } from "./runtime-subject.ts";

const START_MS = 60_000;
/** They run; a thousand that are only created are listed in runtime-states-docker.test.ts. */
const MANY = 10;

let docker: DockerBed;
beforeAll(async () => {
  docker = await startDocker();
}, START_MS);
afterAll(() => docker.stop(), START_MS);

runtimeContract("docker", async (): Promise<RuntimeSubject> => {
  const container = (id: string) => docker.client.getContainer(id);
  return {
    runtime: await openDocker(docker),
    reopen: () => openDocker(docker),
    foreignNamed: async (name) => {
      const made = await docker.client.createContainer({ name, Image: WORKER_IMAGE });
      await made.start();
      const { State } = await made.inspect();
      return async () => {
        const now = await container(name).inspect();
        return now.Id === made.id && now.State.Running && now.State.Pid === State.Pid;
      };
    },
    signal: async (worker, name) => {
      const pid = await workerPid(docker, worker.instance);
      if (pid !== undefined) process.kill(pid, name);
    },
    release: async (worker) => {
      const pid = await workerPid(docker, worker.instance);
      writeFileSync(`/proc/${pid}/root/tmp/release`, "");
    },
    lives: async (worker) =>
      await container(worker.instance)
        .inspect()
        .then(({ State }) => State.Running)
        .catch(() => false),
    environmentOf: async (worker) => {
      const pid = await workerPid(docker, worker.instance);
      return pid === undefined ? {} : variablesOf(pid);
    },
    many: MANY,
    cleanup: () => docker.clear(),
  };
});
