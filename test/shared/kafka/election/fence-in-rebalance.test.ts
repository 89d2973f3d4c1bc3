/** A fence while another member joins: a broker answers one request of a connection after the other. */

import { afterEach, expect, test } from "bun:test";
import { sleep } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import {
  electionProtocol,
  encodeAssignment,
} from "../../../../shared/kafka/election/assignment.ts";
import type { Generation } from "../../../../shared/kafka/election/context.ts";
import { joinMembership, type Membership } from "../../../../shared/kafka/election/membership.ts";
import { type Asked, playedClient } from "../played-wire.ts";

const JOIN_MS = 1000;
const CALL = { deadlineMs: 3000 };
const ILLEGAL_GENERATION = 22;
const REBALANCE_IN_PROGRESS = 27;

let membership: Membership | undefined;
afterEach(async () => await membership?.close());

/** One member, and a rebalance that it wins. `refusing`: the coordinator takes no commit meanwhile. */
function play(refusing: boolean) {
  let generation = 1;
  let rebalancing = false;
  let joins = 0;
  const joined = () =>
    new ByteWriter()
      .int32(0)
      .int16(0)
      .int32(generation)
      .nullableString("p")
      .string("other")
      .string("m")
      .array([], () => {});
  const join = async () => {
    joins += 1;
    if (joins > 1) {
      await sleep(JOIN_MS);
      generation += 1;
      rebalancing = false;
    }
    return joined();
  };
  const commit = ({ body }: Asked) => {
    body.string();
    const stale = body.int32() !== generation || (refusing && rebalancing);
    return new ByteWriter().int32(0).array(["c"], (topics, topic) =>
      topics.string(topic).array([0], (row, id) => {
        row.int32(id).int16(stale ? ILLEGAL_GENERATION : 0);
      }),
    );
  };
  const serve = async (asked: Asked): Promise<ByteWriter> => {
    if (asked.apiName === "JoinGroup") return await join();
    if (asked.apiName === "OffsetCommit") return commit(asked);
    const errorCode = rebalancing ? REBALANCE_IN_PROGRESS : 0;
    const plain = new ByteWriter().int32(0).int16(asked.apiName === "Heartbeat" ? errorCode : 0);
    if (asked.apiName === "SyncGroup") plain.nullableBytes(encodeAssignment("c", [0]));
    return plain;
  };
  const lanes = new Map<string | undefined, Promise<unknown>>();
  const client = playedClient({
    answer: (_id, asked) => {
      const before = lanes.get(asked.lane) ?? Promise.resolve();
      const mine = before.then(() => serve(asked));
      lanes.set(asked.lane, mine);
      return mine;
    },
  });
  return { client, rebalance: () => (rebalancing = true), joins: () => joins };
}

async function lead(refusing: boolean) {
  const played = play(refusing);
  const terms: Generation[] = [];
  const losses: string[] = [];
  const member = joinMembership({
    client: played.client,
    log: () => {},
    groupId: "g",
    topic: "c",
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 5000,
    heartbeatIntervalMs: 50,
    protocol: electionProtocol("c", () => "7"),
    onAssigned: (term) => terms.push(term),
    onLost: (reason) => losses.push(reason),
  });
  if (member.ok) membership = member.value;
  while (terms.length === 0) await sleep(10);
  const term = terms[0];
  if (term === undefined) throw new Error("no term");
  expect((await term.fence(CALL)).ok).toBe(true);
  played.rebalance();
  while (played.joins() < 2) await sleep(10);
  return { term, terms, losses };
}

test("is answered before the rebalance ends", async () => {
  const { term, terms, losses } = await lead(false);
  expect((await term.fence(CALL)).ok).toBe(true);
  expect([terms.length, losses]).toEqual([1, []]);
});

test("says rebalancing, not fenced, while the partition may stay with us", async () => {
  const { term, terms, losses } = await lead(true);
  const during = await term.fence(CALL);
  expect(during.ok ? "ok" : `${during.error.code} ${during.error.retry}`).toBe(
    "rebalancing transient",
  );
  while (terms.length === 1) await sleep(10);
  const after = await term.fence(CALL);
  expect(after.ok ? "ok" : after.error.code).toBe("rebalancing");
  expect(terms[1]?.kept).toBe(true);
  expect((await terms[1]?.fence(CALL))?.ok).toBe(true);
  expect(losses).toEqual([]);
});
