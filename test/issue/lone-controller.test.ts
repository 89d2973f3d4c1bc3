/**
 * Nodes that are controllers alone, on versions that tell less of the quorum than the newest: a follower of
 * Kafka 3.6 knows no other controller's address, and one that has found nobody cannot say who leads.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import { say } from "../fault/say.ts";

const OPEN_MS = 150_000;
const LIMIT_MS = 120_000;
const LONE_MS = 60_000;
const CONTROLLERS = [1, 2, 3] as const;
const DRAIN_SECONDS = 20;

const well = ({ code }: Probed) => code === 200;

describe.each(["3.6.2", ""])("sidecar beside a controller of Kafka %p", (version) => {
  const stage = brokerStage({
    kafka: { kafka: version, brokers: 1, controllers: 3, heap: "256m" },
    sidecars: {},
  });
  beforeAll(stage.open, OPEN_MS);
  afterAll(stage.close);

  test(
    "is ready and may be drained while the quorum is well, whether it leads or follows",
    stage.act(async ({ sidecars }) => {
      for (const id of CONTROLLERS) {
        const { probed } = await sidecars.of(id).seenAfter(performance.now(), "ready", well);
        expect(checkIn(probed, "quorum-leader").status).toBe("pass");
        expect(await sidecars.of(id).drain(DRAIN_SECONDS)).toMatchObject({ code: 200, safe: true });
        const { reason, status } = checkIn(probed, "broker-identity");
        say(`controller ${id} of ${version}: identity ${status}, ${reason}`);
      }
    }),
    LIMIT_MS,
  );

  test(
    "is not ready, nor safe to stop, when it has found no other",
    stage.act(async ({ kafka, sidecars }) => {
      const [lone] = CONTROLLERS;
      const nodes = [...kafka.brokers, ...kafka.controllers];
      await Promise.all(nodes.map((each) => each.kill("SIGKILL")));
      const sinceMs = performance.now();
      // It never serves without a quorum, as far as the bed is concerned.
      void kafka
        .broker(lone)
        .start()
        .catch(() => {});
      const answers = (probed: Probed) =>
        (probed.roundMs ?? 0) > sinceMs && checkIn(probed, "broker-answers").status === "pass";
      const { probed } = await sidecars.of(lone).seenAfter(sinceMs, "ready", answers, LONE_MS);
      const { status, reason } = checkIn(probed, "quorum-leader");
      say(`lone controller of ${version}: quorum-leader ${status}, ${reason}`);
      expect(["fail", "unknown"]).toContain(status);
      expect(probed.code).toBe(503);
      expect((await sidecars.of(lone).restartSafe()).code).toBe(503);
      expect((await sidecars.of(lone).live()).code).toBe(200);
    }),
    LIMIT_MS,
  );
});
