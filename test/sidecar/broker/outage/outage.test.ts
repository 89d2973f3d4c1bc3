/** A silence of the local broker, and the others on real sockets: who counts as silent with it, and until when it is shared. */

import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { openOutageWatch } from "../../../../sidecar/broker/outage/outage.ts";
import {
  countPeers,
  openPeers,
  type PeerOptions,
} from "../../../../sidecar/broker/outage/peers.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import type { ListenerAnswer } from "../../../../sidecar/broker/snapshot.ts";
import { freePort } from "../../../bed/port.ts";
import { clockOf } from "../../../clock.ts";
import { playBroker } from "../../../shared/kafka/played-broker.ts";

const DEADLINE_MS = 400;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const LOOPBACK = "127.0.0.1";
const at = (port: number) => ({ host: LOOPBACK, port });

async function living() {
  const played = await playBroker(() => "end");
  closing.push(played.close);
  return { at: played.address, connections: played.connections };
}

function mute() {
  const server = Bun.listen({ hostname: LOOPBACK, port: 0, socket: { data: () => {} } });
  closing.push(() => server.stop(true));
  return at(server.port);
}

/** Answers the first question of a connection, and ends it at the next: so a broker refuses who does not authenticate. */
async function refusing() {
  const played = await playBroker(() => "end", [], 1);
  closing.push(played.close);
  return played.address;
}

function peersOf(others: PeerOptions["others"], changed: Partial<PeerOptions> = {}) {
  const peers = openPeers({
    ...{ brokerId: 0, others, isSelfAmong: false, settings: { clientId: "x", brokers: [] } },
    ...{ credentials: () => "", log: () => {}, clock: systemClock },
    ...changed,
  });
  closing.push(peers.rest);
  return peers;
}

async function inRound<T>(act: (clock: ReturnType<typeof openRoundClock>) => Promise<T>) {
  const clock = openRoundClock({
    deadlineMs: DEADLINE_MS,
    clock: systemClock,
    signal: new AbortController().signal,
  });
  try {
    return await act(clock);
  } finally {
    clock.stop();
  }
}

describe("count()", () => {
  test("tells who answers from who is silent or closed", async () => {
    const others = [(await living()).at, mute(), at(await freePort())];
    expect(await inRound(peersOf(others).count)).toEqual({
      known: 3,
      asked: 3,
      answered: 1,
      untaken: 0,
    });
  });

  test("takes a refusal for an answer", async () => {
    const others = [await refusing(), await refusing()];
    expect(await inRound(peersOf(others).count)).toEqual({
      known: 2,
      asked: 2,
      answered: 2,
      untaken: 0,
    });
  });

  test("leaves out who has no address", async () => {
    const others = [(await living()).at, { host: "nobody.invalid", port: 9092 }];
    expect(await inRound(peersOf(others).count)).toEqual({
      known: 2,
      asked: 1,
      answered: 1,
      untaken: 0,
    });
  });

  test("takes this broker off, where it may be among them", async () => {
    const others = [mute(), mute(), (await living()).at];
    const peers = peersOf(others, { isSelfAmong: true });
    expect(await inRound(peers.count)).toEqual({ known: 2, asked: 2, answered: 1, untaken: 0 });
  });

  test("asks a sample of many, beginning behind this broker's place, over one connection each", async () => {
    const all = await Promise.all(Array.from({ length: 12 }, living));
    const peers = peersOf(
      all.map((each) => each.at),
      { brokerId: 7 },
    );
    const counted = { known: 12, asked: 8, answered: 8, untaken: 0 };
    expect(await inRound(peers.count)).toEqual(counted);
    expect(await inRound(peers.count)).toEqual(counted);
    const asked = all.map(({ connections }) => connections());
    expect(asked).toEqual([1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    peers.rest();
    const left = () => all.reduce((sum, { connections }) => sum + connections(), 0);
    while (left() > 0) await Bun.sleep(1);
  });
});

describe("countPeers()", () => {
  const detail = "";
  const durationMs = 1;
  const answered: ListenerAnswer = { kind: "answered", durationMs };
  const refused: ListenerAnswer = { kind: "refused-us", detail, durationMs };
  const closed: ListenerAnswer = { kind: "closed", detail, durationMs };
  const throttled: ListenerAnswer = { kind: "throttled", detail, durationMs };
  const cut: ListenerAnswer = { kind: "cut", detail, durationMs };
  const mute: ListenerAnswer = { kind: "silent", connected: true, detail, durationMs };
  const untaken: ListenerAnswer = { kind: "silent", connected: false, detail, durationMs };
  const unasked: ListenerAnswer = { kind: "not-asked", detail, durationMs };
  type Row = readonly [
    what: string,
    answers: readonly ListenerAnswer[],
    counted: readonly [asked: number, answered: number, untaken?: number],
  ];
  const rows: readonly Row[] = [
    ["an answer and a refusal", [answered, refused], [2, 2]],
    ["a closed listener and a silent one", [closed, mute], [2, 0]],
    ["one whose connection nobody takes", [untaken, answered], [2, 1, 1]],
    ["one whose quota mutes us", [throttled, closed], [2, 1]],
    ["one that ends our connections at once", [cut, answered], [1, 1]],
    ["one that could not be asked", [unasked, answered], [1, 1]],
    ["nobody", [], [0, 0]],
  ];
  test.each([...rows])("counts %s", (_what, answers, [asked, alive, lost = 0]) => {
    const known = answers.length;
    const want = { known, asked, answered: alive, untaken: lost };
    expect(countPeers(answers, known, false)).toEqual(want);
  });
  test("takes this broker off the silent ones, where it may be among them", () => {
    expect(countPeers([untaken, untaken, answered], 3, true)).toEqual({
      ...{ known: 2, asked: 2, answered: 1, untaken: 1 },
    });
    expect(countPeers([mute, mute, answered], 3, true)).toEqual({
      ...{ known: 2, asked: 2, answered: 1, untaken: 0 },
    });
    expect(countPeers([answered, answered], 9, true)).toEqual({
      known: 8,
      asked: 2,
      answered: 2,
      untaken: 0,
    });
  });
});

describe("openSilenceWatch()", () => {
  const silent: ListenerAnswer = { kind: "silent", connected: true, detail: "", durationMs: 1 };
  const answered: ListenerAnswer = { kind: "answered", durationMs: 1 };

  test("asks the others from the second silent round on, and is shared until all of them answer", async () => {
    let nowMs = 1000;
    let alive = 2;
    let counts = 0;
    let rests = 0;
    const watch = openOutageWatch({
      clock: clockOf({ monotonicMs: () => nowMs }),
      peers: {
        count: () => {
          counts += 1;
          return Promise.resolve({ known: 2, asked: 2, answered: alive, untaken: 0 });
        },
        rest: () => {
          rests += 1;
        },
      },
    });
    const round = (answer: ListenerAnswer) => {
      nowMs += 100;
      return inRound((clock) => watch.round(clock)(answer));
    };
    const told = (forMs: number, isShared: boolean, answeredOf?: number) => ({
      ...{ forMs, isShared },
      peers:
        answeredOf === undefined
          ? undefined
          : { known: 2, asked: 2, answered: answeredOf, untaken: 0 },
    });
    expect(await round(answered)).toBeUndefined();
    alive = 0;
    expect(await round(silent)).toEqual(told(0, false));
    expect(counts).toBe(0);
    expect(await round(silent)).toEqual(told(100, true, 0));
    alive = 1;
    expect(await round(silent)).toEqual(told(200, true, 1));
    alive = 2;
    expect(await round(silent)).toEqual(told(300, false, 2));
    alive = 1;
    expect(await round(silent)).toEqual(told(400, false, 1));
    expect(rests).toBe(0);
    expect(await round(answered)).toBeUndefined();
    expect(await round(answered)).toBeUndefined();
    expect(rests).toBe(1);
    expect(await round(silent)).toEqual(told(0, false));
    // Those of the silent rounds but its first, and of the one that ended it, begun before that was known.
    expect(counts).toBe(5);
  });
});
