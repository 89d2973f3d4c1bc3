/** A fleet on one Docker Engine and one Kafka that its containers reach, and what tests look at. */
import type Docker from "dockerode";
import { until } from "../bed/condition.ts";
import type { ClusterSeen, ControlPlane } from "../bed/control-plane.ts";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { WORKER_IMAGE } from "../bed/docker/image.ts";
import { type KafkaBed, type KafkaOptions, startKafka } from "../bed/kafka/kafka.ts";
import { type Scene, withFleet } from "./scenario.ts";

export const START_MS = 120_000;
export const RUN_MS = 40_000;

export type DockerScene = {
  readonly docker: DockerBed;
  readonly kafka: KafkaBed;
  /** One fleet whose workers are containers of the test's worker image. */
  readonly onDocker: (
    scenario: (scene: Scene) => Promise<void>,
    env?: Readonly<Record<string, string>>,
  ) => Promise<void>;
  readonly inspect: (name: string) => Promise<Docker.ContainerInspectInfo>;
  /** Ids of running containers by name. */
  readonly running: () => Promise<Readonly<Record<string, string>>>;
  /** Waits until exactly these run. */
  readonly untilRunning: (...names: readonly string[]) => Promise<Readonly<Record<string, string>>>;
  readonly stop: () => Promise<void>;
};

/** @throws BedUnavailable */
export async function openDockerScene(
  options: Pick<KafkaOptions, "listeners" | "users"> = {},
): Promise<DockerScene> {
  const docker = await startDocker();
  const kafka = await startKafka({ host: docker.network.gateway, ...options });
  const running = async () =>
    Object.fromEntries(
      (await docker.client.listContainers()).map(({ Names, Id }) => [Names[0]?.slice(1) ?? "", Id]),
    );
  return {
    docker,
    kafka,
    running,
    onDocker: (scenario, env = {}) =>
      withFleet(kafka, scenario, {
        RUNTIME: "docker",
        DOCKER_HOST: docker.host,
        DOCKER_NETWORK: docker.network.name,
        GRAPH_BUILDER_IMAGE: WORKER_IMAGE,
        GB_MEMORY_LIMIT: "64M",
        ...env,
      }),
    inspect: (name) => docker.client.getContainer(name).inspect(),
    untilRunning: (...names) => {
      const wanted = names.toSorted().join();
      return until(
        `exactly [${wanted}] to run`,
        async () => {
          const now = await running();
          const seen = Object.keys(now).toSorted().join();
          if (seen !== wanted) throw new Error(`[${seen}]`);
          return now;
        },
        { deadlineMs: RUN_MS },
      );
    },
    stop: async () => {
      await kafka.stop();
      await docker.stop();
    },
  };
}

export const workerName = (id: string): string => `kg-graph-builder-${id}`;

export const untilWorker = (plane: ControlPlane, id: string, state: string): Promise<ClusterSeen> =>
  until(
    `the worker of ${id} to be ${state}`,
    async () => {
      const seen = await plane.cluster(id);
      if (seen?.worker?.state !== state) throw new Error(JSON.stringify(seen));
      return seen;
    },
    { deadlineMs: RUN_MS },
  );
