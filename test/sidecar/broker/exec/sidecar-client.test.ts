/** A sidecar that answers is believed only when it watches the same broker. */
import { afterAll, describe, expect, test } from "bun:test";
import { runningSidecar } from "../../../../sidecar/broker/exec/sidecar-client.ts";

const HEALTH = { status: "healthy", brokerId: 1 };
const DRAIN = { brokerId: 1, safe: true, ending: "safe", waitedMs: 5 };
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: ({ url }) => Response.json(new URL(url).pathname === "/drain" ? DRAIN : HEALTH),
});
afterAll(() => server.stop(true));

const signal = new AbortController().signal;
const rows: readonly (readonly [string, number, boolean])[] = [
  ["the same broker's", 1, true],
  ["another broker's", 2, false],
  ["any, where our own id is not known", -1, true],
];

describe("runningSidecar()", () => {
  test.each(rows)("is %s: id %d, %p", async (_what, brokerId, isBelieved) => {
    const running = runningSidecar(server.port ?? 0, brokerId);
    expect(await running.probe("live")).toEqual(
      isBelieved ? { status: "healthy", brokerId: 1 } : undefined,
    );
    expect(await running.drain(1000, signal)).toEqual(isBelieved ? DRAIN : undefined);
  });
});
