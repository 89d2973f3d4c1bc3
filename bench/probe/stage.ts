/** One broker with 2,000 partitions, and sidecars beside it. */

import { binaries } from "../../test/bed/binaries.ts";
import { imageEnvironment } from "../../test/bed/broker-sidecar/image-environment.ts";
import type { BedCgroup } from "../../test/bed/cgroup.ts";
import { until } from "../../test/bed/condition.ts";
import { startKafka } from "../../test/bed/kafka/kafka.ts";
import { freePort } from "../../test/bed/port.ts";
import { type BedProcess, startProcess } from "../../test/bed/process.ts";

const PARTITIONS = 2000;
const SERVES_MS = 60_000;
const READY_MS = 120_000;
/** Used while the time itself is measured. */
const POLL_MS = 5;
const ANSWER_MS = 5000;

export const BENCH = "probe";
/** 128Mi, as in the examples of docs/deploy/. */
export const CONTAINER_BYTES = 128 * 1024 * 1024;

export type Sidecar = {
  readonly process: BedProcess;
  readonly url: string;
  /** From its start to the first answer of `/about`, and to the first 200 of `/health/ready`; ms. */
  readonly servedAfterMs: number;
  readonly readyAfterMs: number;
};

export type Stage = {
  /** Starts one in a cgroup and waits until it is ready. */
  readonly start: (cgroup: BedCgroup) => Promise<Sidecar>;
  readonly close: () => Promise<void>;
};

export async function openStage(): Promise<Stage> {
  const { sidecar } = await binaries();
  const imageEnv = await imageEnvironment();
  const kafka = await startKafka();
  const started: BedProcess[] = [];
  const close = async () => {
    await Promise.all(started.map((each) => each.stop()));
    await kafka.stop();
  };
  try {
    await kafka.tools.createTopic("many", PARTITIONS, {});
  } catch (error) {
    await close();
    throw error;
  }
  return {
    start: async (cgroup) => {
      const port = await freePort();
      const command = [sidecar, "broker"];
      const atMs = performance.now();
      const process = startProcess({
        name: "sidecar",
        command: cgroup.inside(command),
        env: {
          HOSTNAME: "kafka-0",
          KAFKA_PORT: String(kafka.broker(0).port),
          PORT: String(port),
          PATH: "/usr/bin:/bin",
          ...imageEnv,
        },
      });
      started.push(process);
      const url = `http://127.0.0.1:${port}`;
      const servedAfterMs = await answeredAfter(process, `${url}/about`, atMs, SERVES_MS);
      const readyAfterMs = await answeredAfter(process, `${url}/health/ready`, atMs, READY_MS);
      return { process, url, servedAfterMs, readyAfterMs };
    },
    close,
  };
}

/** ms from `sinceMs` to the first 200. */
async function answeredAfter(
  process: BedProcess,
  url: string,
  sinceMs: number,
  deadlineMs: number,
): Promise<number> {
  await until(
    `${url} to answer 200`,
    async () => {
      if (!process.running()) throw new Error(`it has ended:\n${process.output()}`);
      const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
      const text = await answer.text();
      if (answer.status !== 200) throw new Error(text);
      return true;
    },
    { deadlineMs, intervalMs: POLL_MS },
  );
  return performance.now() - sinceMs;
}
