import { expect, test } from "bun:test";
import { binaries } from "../bed/binaries.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import { startProcess } from "../bed/process.ts";
import { LIMIT_MS, withFleet } from "./scenario.ts";

const kafka = kafkaOfFile();

/** The compiled agent, to its end. */
async function agent(clientId: string, ...args: readonly string[]) {
  const process = startProcess({
    name: "agent",
    command: [(await binaries()).agent, ...args],
    env: {
      KAFKA_BROKERS: kafka.bootstrap,
      CLIENT_ID: clientId,
      PATH: "/usr/bin:/bin",
      HOME: "/tmp",
    },
  });
  const { code } = await process.exited;
  return { code, output: process.output() };
}

test(
  "register --wait: 0 when the worker runs, 75 while no control plane answers, also again",
  () =>
    withFleet(kafka, async ({ fleet }) => {
      const plane = await fleet.start();
      await plane.leads();
      const first = await agent("af-10", "register", "--wait", "20s");
      expect(first).toMatchObject({ code: 0 });
      expect(fleet.workers().map(({ clientId }) => clientId)).toEqual(["af-10"]);
      const again = await agent("af-10", "register", "--wait", "20s");
      expect(again).toMatchObject({ code: 0 });
      await plane.process.stop();
      for (const clientId of ["af-10", "af-11"]) {
        const unanswered = await agent(clientId, "register", "--wait", "2s");
        expect(unanswered.output).toContain(clientId);
        expect(unanswered).toMatchObject({ code: 75 });
      }
      // What was written is not lost: the next control plane takes it in.
      const next = await fleet.start();
      await next.leads();
      await until("the second worker", () => fleet.workers().length === 2, { deadlineMs: 15_000 });
      const gone = await agent("af-10", "deregister", "--wait", "20s");
      expect(gone).toMatchObject({ code: 0 });
      expect(fleet.workers().map(({ clientId }) => clientId)).toEqual(["af-11"]);
    }),
  LIMIT_MS,
);
