/** A round of reads on a played broker: what hangs holds up nothing else, and who is silent is told from who is away. */

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import type { TlsSettings } from "../../../../shared/kafka/settings.ts";
import { err } from "../../../../shared/result.ts";
import {
  openRenewableConnection,
  type RenewableConnection,
} from "../../../../sidecar/broker/read/connection.ts";
import { openLocalBroker } from "../../../../sidecar/broker/read/local-broker.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import { createAuthority } from "../../../bed/certificate.ts";
import { freePort } from "../../../bed/port.ts";
import { clockOf } from "../../../clock.ts";
import golden from "../../../shared/kafka/api/describe-golden.json" with { type: "json" };
import { type PlayedAnswer, playBroker } from "../../../shared/kafka/played-broker.ts";
import { openCutter } from "./connection-cutter.ts";
import { playedConfigs, playedMetadata } from "./played-answers.ts";

const DEADLINE_MS = 1500;
const METADATA = 3;
const CONFIGS = 32;
const LOG_DIRS = 35;
const QUORUM = 55;
const CLUSTER = 60;
const BROKER_KEYS = [
  [METADATA, 0, 12],
  [CONFIGS, 1, 3],
  [LOG_DIRS, 1, 4],
  [QUORUM, 0, 2],
] as const;
const CONTROLLER_KEYS = [
  [QUORUM, 0, 2],
  [CLUSTER, 0, 2],
] as const;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** The header's tags and the bytes that Kafka's own classes wrote. */
const goldenAnswer = (base64: string) =>
  new ByteWriter().noTags().raw(Buffer.from(base64, "base64"));

const ANSWERS: ReadonlyMap<number, () => PlayedAnswer> = new Map<number, () => PlayedAnswer>([
  [METADATA, playedMetadata],
  [CONFIGS, () => playedConfigs(["orders"])],
  [LOG_DIRS, () => goldenAnswer(golden["logDirs.response.v4"])],
  [QUORUM, () => goldenAnswer(golden["quorum.response.v2"])],
]);

const NOBODY = { code: "unreachable", retry: "terminal", detail: "no other broker" } as const;
type Keys = Parameters<typeof playBroker>[1];

async function open(changed: ReadonlyMap<number, () => PlayedAnswer>, keys: Keys = BROKER_KEYS) {
  const asked: number[] = [];
  const played = await playBroker((apiKey) => {
    asked.push(apiKey);
    return (changed.get(apiKey) ?? ANSWERS.get(apiKey))?.() ?? "end";
  }, keys);
  closing.push(played.close);
  return { asked, played, ...reader(played.address.port) };
}

/** `broker`: whom the other brokers are asked through; none without it. */
function reader(
  port: number,
  tls?: TlsSettings,
  laterMs: () => number = () => 0,
  broker?: RenewableConnection,
) {
  const local = openLocalBroker({
    brokerId: 0,
    address: { host: "127.0.0.1", port },
    settings: { clientId: "x", brokers: [], ...(tls === undefined ? {} : { tls }) },
    credentials: () => "",
    askOther: () => Promise.reject(new Error("nobody else is there")),
    askAny: async (request) => await (broker?.ask(request) ?? err(NOBODY)),
    log: () => {},
    clock: clockOf({ monotonicMs: () => performance.now() + laterMs() }),
  });
  closing.push(local.close);
  const read = async () => {
    const clock = openRoundClock({
      deadlineMs: DEADLINE_MS,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    const reads = await local.read(clock);
    clock.stop();
    return reads;
  };
  return { read };
}

const held = (apiKey: number) => new Map([[apiKey, (): PlayedAnswer => "never"]]);

test("read() reads all that the checks rest on", async () => {
  const { read, asked, played } = await open(new Map());
  const reads = await read();
  expect(reads).toMatchObject({
    role: "broker",
    answer: { kind: "answered" },
    metadata: { kind: "read", value: { clusterId: "cluster" } },
    quorum: { kind: "read", value: { leaderId: 1, leaderEpoch: 9 } },
    logDirs: {
      kind: "read",
      value: [
        { path: "/data/0", contents: { replicas: 3 } },
        { errorCode: 56, contents: undefined },
      ],
    },
  });
  const { minInsyncReplicas } = reads;
  expect(minInsyncReplicas.kind === "read" && minInsyncReplicas.value.get("orders")).toBe(2);
  expect(played.connections()).toBe(5);
  await read();
  expect(played.connections()).toBe(5);
  // The settings of a topic that is known are not asked for again.
  // One for those of the topic, one for who this broker is.
  expect(asked.filter((key) => key === CONFIGS)).toHaveLength(2);
});

test("read() takes a held DescribeQuorum for no leader, and asks it once over the rounds", async () => {
  const { read, asked } = await open(held(QUORUM));
  for (const _round of [1, 2]) {
    const reads = await read();
    expect(reads.quorum).toMatchObject({ kind: "read", value: { leaderId: -1 } });
    expect(reads).toMatchObject({
      ...{ answer: { kind: "answered" }, metadata: { kind: "read" }, logDirs: { kind: "read" } },
    });
  }
  expect(asked.filter((key) => key === QUORUM)).toHaveLength(1);
});

test("read() asks for a quorum that it may not see again after a while, not in every round", async () => {
  const refused = () => new ByteWriter().noTags().int16(31).compactString("no").uvarint(1);
  const { asked, played } = await open(new Map([[QUORUM, () => refused().uvarint(1).noTags()]]));
  let laterMs = 0;
  const { read } = reader(played.address.port, undefined, () => laterMs);
  const quorums = () => asked.filter((key) => key === QUORUM).length;
  for (const _round of [1, 2, 3]) {
    expect((await read()).quorum).toMatchObject({
      ...{ kind: "failed", error: { code: "authorization" } },
    });
  }
  expect(quorums()).toBe(1);
  laterMs = 15_000;
  await read();
  expect(quorums()).toBe(2);
});

test("read() holds nothing up for directories that hang", async () => {
  const { read } = await open(held(LOG_DIRS));
  expect(await read()).toMatchObject({
    answer: { kind: "answered" },
    metadata: { kind: "read" },
    quorum: { kind: "read" },
    logDirs: { kind: "failed", error: { code: "timeout" } },
    minInsyncReplicas: { kind: "read" },
  });
});

test("read() reads anew after metadata that did not come", async () => {
  let rounds = 0;
  let laterMs = 0;
  const { played, asked } = await open(
    new Map([[METADATA, () => (rounds === 0 ? "never" : playedMetadata())]]),
  );
  const { read } = reader(played.address.port, undefined, () => laterMs);
  for (const _round of [1, 2]) {
    expect(await read()).toMatchObject({
      answer: { kind: "answered" },
      metadata: { kind: "failed", error: { code: "timeout" } },
    });
  }
  // Asked once, and given up after half a minute.
  expect(asked.filter((key) => key === METADATA)).toHaveLength(1);
  rounds += 1;
  laterMs = 31_000;
  expect(await read()).toMatchObject({ answer: { kind: "answered" }, metadata: { kind: "read" } });
});

test("read() dials anew when all connections are cut at the first byte of a round", async () => {
  const { played } = await open(new Map());
  const cutter = await openCutter(played.address.port);
  closing.push(cutter.close);
  const { read } = reader(cutter.port);
  const healthy = { answer: { kind: "answered" }, metadata: { kind: "read" } };
  expect(await read()).toMatchObject(healthy);
  for (const _cut of [1, 2, 3]) {
    cutter.arm();
    expect(await read()).toMatchObject(healthy);
  }
});

test("read() takes a broker that is silent after the TLS handshake for silent", async () => {
  const dir = mkdtempSync(join(tmpdir(), "outrider-silent-"));
  const authority = await createAuthority(dir);
  const { certFile, keyFile } = await authority.issue({
    ...{ name: "server", commonName: "localhost", usage: "server" },
    subjectAltNames: ["DNS:localhost"],
  });
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const mute = Bun.listen({ hostname: "127.0.0.1", port: 0, tls, socket: { data: () => {} } });
  closing.push(
    () => mute.stop(true),
    () => rmSync(dir, { recursive: true }),
  );
  const { read } = reader(mute.port, { caFile: authority.caFile, serverName: "localhost" });
  expect(await read()).toMatchObject({ answer: { kind: "silent", connected: true } });
});

test("read() finds a listener closed, or silent, and asks it nothing more", async () => {
  const closed = await reader(await freePort()).read();
  expect(closed).toMatchObject({
    answer: { kind: "closed" },
    metadata: { kind: "failed", error: { code: "unreachable" } },
    logDirs: { kind: "failed" },
  });
  const mute = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  closing.push(() => mute.stop(true));
  const silent = await reader(mute.port).read();
  expect(silent).toMatchObject({ answer: { kind: "silent" }, quorum: { kind: "failed" } });
  expect(silent.answer.durationMs).toBeWithin(DEADLINE_MS - 1, DEADLINE_MS + 500);
});

test("read() takes an old broker without the APIs for one without, not for a broken one", async () => {
  const { read } = await open(new Map(), [
    [METADATA, 0, 12],
    [CONFIGS, 1, 3],
  ]);
  expect(await read()).toMatchObject({
    role: "broker",
    metadata: { kind: "read" },
    quorum: { kind: "absent" },
    logDirs: { kind: "absent" },
  });
});

test("read() fails the metadata of a broker that is older than Kafka 2.8", async () => {
  const { read } = await open(new Map(), [[METADATA, 0, 9], ...BROKER_KEYS.slice(1)]);
  const reads = await read();
  expect(reads).toMatchObject({
    answer: { kind: "answered" },
    metadata: { kind: "failed", error: { code: "unsupported" } },
    minInsyncReplicas: { kind: "failed" },
  });
  expect(JSON.stringify(reads.metadata)).toContain("needs Kafka 2.8 or newer");
});

test("read() asks a controller for the quorum alone", async () => {
  const { read, asked } = await open(
    new Map([[CLUSTER, () => goldenAnswer(golden["cluster.response.v2"])]]),
    CONTROLLER_KEYS,
  );
  expect(await read()).toMatchObject({
    role: "controller",
    quorum: { kind: "read", value: { leaderId: 1 } },
    metadata: { kind: "absent" },
    logDirs: { kind: "absent" },
    minInsyncReplicas: { kind: "absent" },
  });
  expect(asked.sort()).toEqual([QUORUM, CLUSTER]);
});

const notLeader = () => new ByteWriter().noTags().int16(6).compactString("").uvarint(1).noTags();

test("read() asks a broker where a controller does not know who leads", async () => {
  const old = await open(new Map([[QUORUM, notLeader]]), [[QUORUM, 0, 2]]);
  const alone = await old.read();
  expect(alone.quorum).toMatchObject({ kind: "failed", error: { code: "broker" } });
  expect(JSON.stringify(alone.quorum)).toContain("nor does a broker of BOOTSTRAP_SERVERS say");
  const other = await open(new Map());
  const broker = openRenewableConnection({
    ...{ address: other.played.address, settings: { clientId: "x", brokers: [] } },
    ...{ credentials: () => "", log: () => {}, clock: systemClock },
  });
  closing.push(() => broker.drop("over"));
  const { read } = reader(old.played.address.port, undefined, () => 0, broker);
  expect((await read()).quorum).toMatchObject({ kind: "read", value: { leaderId: 1 } });
});

test("read() takes a version that the controller behind a broker refuses for no answer", async () => {
  const refused = () => new ByteWriter().noTags().int16(35).compactString("").uvarint(1).noTags();
  const { read } = await open(new Map([[QUORUM, refused]]));
  expect((await read()).quorum).toMatchObject({ kind: "failed", error: { code: "broker" } });
});
