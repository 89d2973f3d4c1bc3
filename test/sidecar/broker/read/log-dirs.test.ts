/** What lies in the directories is no figure before it was read, nor long after. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { openRenewableConnection } from "../../../../sidecar/broker/read/connection.ts";
import { openLogDirReader } from "../../../../sidecar/broker/read/log-dirs.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import { clockOf } from "../../../clock.ts";
import golden from "../../../shared/kafka/api/describe-golden.json" with { type: "json" };
import { playBroker } from "../../../shared/kafka/played-broker.ts";

const LOG_DIRS = 35;
const FORGOTTEN_MS = 900_001;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

test("read() shows contents once they were read, and forgets them after 15 minutes", async () => {
  let passedMs = 0;
  let holds = true;
  const clock = clockOf({ monotonicMs: () => performance.now() + passedMs });
  const connectionTo = async (isHeld: () => boolean) => {
    const played = await playBroker(
      () =>
        isHeld()
          ? "never"
          : new ByteWriter().noTags().raw(Buffer.from(golden["logDirs.response.v4"], "base64")),
      [[LOG_DIRS, 1, 4]],
    );
    const settings = { clientId: "x", brokers: [] };
    const options = { address: played.address, settings, credentials: () => "", log: () => {} };
    const connection = openRenewableConnection({ ...options, clock });
    closing.push(() => connection.drop("the test is over"), played.close);
    return connection;
  };
  const replicas = await connectionTo(() => holds);
  const reader = openLogDirReader({
    ...{ directories: await connectionTo(() => false), replicas, clock },
  });
  const contents = async () => {
    const { signal } = new AbortController();
    const clock = openRoundClock({
      deadlineMs: 2000,
      clock: systemClock,
      signal,
    });
    const read = await reader.read(clock);
    clock.stop();
    return read.kind === "read" ? read.value[0]?.contents?.replicas : read.kind;
  };
  expect(await contents()).toBeUndefined();
  holds = false;
  replicas.drop("so that it is asked anew");
  expect(await contents()).toBeUndefined();
  passedMs = 60_000;
  expect(await contents()).toBe(3);
  holds = true;
  passedMs += 60_000;
  expect(await contents()).toBe(3);
  passedMs += FORGOTTEN_MS;
  expect(await contents()).toBeUndefined();
});
