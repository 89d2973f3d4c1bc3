/**
 * A private authority did not reach workers in containers: a path of the control plane's is nothing there, and
 * its file was left out. Nor could a container be given a label or a volume.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import { loadSidecarImage, SIDECAR_IMAGE } from "../bed/docker/image.ts";
import {
  type DockerScene,
  openDockerScene,
  RUN_MS,
  START_MS,
  workerName,
} from "../system/fleet-on-docker.ts";
import { LIMIT_MS } from "../system/scenario.ts";

const USER = { name: "edge", password: "right-password", mechanism: "SCRAM-SHA-512" } as const;

let scene: DockerScene;
beforeAll(async () => {
  scene = await openDockerScene({ listeners: ["SASL_SSL"], users: [USER] });
  await loadSidecarImage(scene.docker.client);
}, START_MS);
afterAll(() => scene.stop(), START_MS);
afterEach(() => scene.docker.clear(), LIMIT_MS);

type Variables = Readonly<Record<string, string>>;

/** The worker has logged in to Kafka when its group is there. */
async function whenInGroup(id: string, env: Variables, look: () => Promise<void>): Promise<void> {
  const login = {
    ...{ KAFKA_BROKERS: scene.kafka.bootstrapOf("SASL_SSL"), GRAPH_BUILDER_IMAGE: SIDECAR_IMAGE },
    ...{ SASL_ENABLED: "true", SASL_MECHANISM: USER.mechanism, SASL_USERNAME: USER.name },
    ...{ SASL_PASSWORD: USER.password, TLS_CA_FILE: scene.kafka.certificates.caFile },
    GB_MEMORY_LIMIT: "256M",
  };
  await scene.onDocker(
    async ({ fleet, sender }) => {
      await (await fleet.start()).leads();
      await sender.register(id);
      const stopBeating = sender.beating(() => [id]);
      await until(
        `the group of ${id}`,
        async () => (await scene.kafka.tools.listGroups()).includes(`kg-builder-${id}`),
        { deadlineMs: RUN_MS },
      );
      await look();
      await stopBeating();
    },
    { ...login, ...env },
  );
}

test(
  "what is inherited includes the authority's file",
  () =>
    whenInGroup("af-1", { WORKER_INHERIT_KAFKA_AUTH: "true" }, async () => {
      const { Config } = await scene.inspect(workerName("af-1"));
      expect(Config.Env).toContain("TLS_CA_FILE=/run/secrets/TLS_CA");
      expect(JSON.stringify(Config)).not.toContain("BEGIN CERTIFICATE");
    }),
  LIMIT_MS,
);

test(
  "the workers' own credentials, authority, labels and volumes",
  async () => {
    const envFile = join(await mkdtemp(join(tmpdir(), "outrider-")), "worker.env");
    const lines = {
      ...{ SASL_ENABLED: "true", SASL_MECHANISM: USER.mechanism, SASL_USERNAME: USER.name },
      SASL_PASSWORD: USER.password,
    };
    const text = Object.entries(lines).map(([name, value]) => `${name}="${value}"\n`);
    await writeFile(envFile, text.join(""));
    const env = {
      WORKER_ENV_FILE: envFile,
      WORKER_TLS_CA_FILE: scene.kafka.certificates.caFile,
      WORKER_LABELS: "team=edge note='two words'",
      WORKER_VOLUMES: `kept:/data:rw ${scene.kafka.certificates.caFile}:/etc/authority.pem`,
    };
    await whenInGroup("af-2", env, async () => {
      const { Config, Mounts } = await scene.inspect(workerName("af-2"));
      expect(Config.Labels).toMatchObject({
        ...{ team: "edge", note: "two words", "outrider.client-id": "af-2" },
      });
      const seen = Mounts.map(({ Destination, RW, Name = "" }) => [Destination, RW, Name]);
      expect(seen).toContainEqual(["/data", true, "kept"]);
      expect(seen).toContainEqual(["/etc/authority.pem", false, ""]);
    });
  },
  LIMIT_MS,
);
