/** DescribeLogDirs, DescribeQuorum and DescribeCluster against the bytes of Kafka's own classes (4.1.1). */
import { describe, expect, test } from "bun:test";
import { ByteReader, ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { controllersRequest } from "../../../../shared/kafka/api/describe-cluster.ts";
import { logDirsRequest } from "../../../../shared/kafka/api/describe-log-dirs.ts";
import { quorumRequest } from "../../../../shared/kafka/api/describe-quorum.ts";
import type { KafkaRequest } from "../../../../shared/kafka/api/request.ts";
import golden from "./describe-golden.json" with { type: "json" };

const GOLDEN: Readonly<Record<string, string>> = golden;
const bytesOf = (name: string): Buffer => {
  const base64 = GOLDEN[name];
  if (base64 === undefined) throw new Error(`no golden bytes for ${name}`);
  return Buffer.from(base64, "base64");
};

function encoded<T>(request: KafkaRequest<T>, version: number): string {
  const writer = new ByteWriter();
  request.encode(writer, version);
  return writer.bytes().toString("base64");
}

/** The body: of a flexible version the link has taken the tags of the header off. */
function decoded<T>(request: KafkaRequest<T>, version: number, name: string): T {
  const reader = new ByteReader(bytesOf(`${name}.v${version}`));
  return request.decode(reader, version);
}

const LOG_DIR_VERSIONS = [1, 2, 3, 4] as const;
const QUORUM_VERSIONS = [0, 1, 2] as const;
const CLUSTER_VERSIONS = [1, 2] as const;

describe("logDirsRequest()", () => {
  test.each([...LOG_DIR_VERSIONS])("writes version %d as Kafka does", (version) => {
    for (const replicas of ["all", "none"] as const) {
      const want = GOLDEN[`logDirs.request.${replicas}.v${version}`];
      expect(encoded(logDirsRequest(replicas), version)).toBe(want ?? "none");
    }
  });
  test.each([...LOG_DIR_VERSIONS])("sums version %d as Kafka writes it", (version) => {
    const volume = version >= 4;
    expect(decoded(logDirsRequest("all"), version, "logDirs.response")).toEqual({
      errorCode: 0,
      dirs: [
        {
          path: "/data/0",
          errorCode: 0,
          totalBytes: volume ? 100_000_000_000 : -1,
          usableBytes: volume ? 42_000_000_000 : -1,
          sizeBytes: 5_000_001_300,
          replicas: 3,
          topics: new Map([
            ["orders", 1],
            ["t2", 1],
          ]),
          future: [{ topic: "orders", partition: 7, sizeBytes: 1234, offsetLag: 98_765 }],
        },
        {
          path: "/data/1",
          errorCode: 56,
          totalBytes: -1,
          usableBytes: -1,
          sizeBytes: 0,
          replicas: 0,
          topics: new Map(),
          future: [],
        },
      ],
    });
  });
  test("takes an empty list of an old broker for a refusal", () => {
    const empty = new ByteWriter().int32(0).int32(0).bytes();
    expect(logDirsRequest("none").decode(new ByteReader(empty), 1).errorCode).toBe(31);
  });
});

describe("quorumRequest()", () => {
  test.each([...QUORUM_VERSIONS])("writes version %d as Kafka does", (version) => {
    expect(encoded(quorumRequest(), version)).toBe(GOLDEN[`quorum.request.v${version}`] ?? "none");
  });
  test.each([...QUORUM_VERSIONS])("reads version %d as Kafka writes it", (version) => {
    const times = version >= 1;
    const unknown = { lastFetchAtMs: -1, lastCaughtUpAtMs: -1 };
    expect(decoded(quorumRequest(), version, "quorum.response")).toMatchObject({
      errorCode: 0,
      quorum: {
        leaderId: 1,
        leaderEpoch: 9,
        highWatermark: 999,
        voters: [
          {
            id: 1,
            logEndOffset: 1000,
            lastFetchAtMs: times ? 1_700_000_000_123 : -1,
            lastCaughtUpAtMs: times ? 1_700_000_000_456 : -1,
          },
          { id: 2, logEndOffset: 990, ...unknown },
        ],
        observers: [{ id: 3, logEndOffset: -1, ...unknown }],
      },
    });
  });
  test.each([...QUORUM_VERSIONS])(
    "believes no leader id beside an error (version %d)",
    (version) => {
      const refused = decoded(quorumRequest(), version, "quorum.response.notLeader");
      expect([refused.errorCode, refused.quorum.leaderId]).toEqual([6, -1]);
      expect(refused.message).toBe(version >= 2 ? "not me" : null);
      expect(decoded(quorumRequest(), version, "quorum.response.refused")).toMatchObject({
        errorCode: 31,
        quorum: { leaderId: -1 },
      });
    },
  );
});

describe("controllersRequest()", () => {
  test.each([...CLUSTER_VERSIONS])("writes version %d as Kafka does", (version) => {
    const want = GOLDEN[`cluster.request.v${version}`] ?? "none";
    expect(encoded(controllersRequest(), version)).toBe(want);
  });
  test.each([...CLUSTER_VERSIONS])("reads version %d as Kafka writes it", (version) => {
    expect(decoded(controllersRequest(), version, "cluster.response")).toEqual({
      errorCode: 0,
      message: null,
      clusterId: "abc",
      leaderId: 3001,
      controllers: [
        { id: 3000, host: "c0", port: 9093, rack: null },
        { id: 3001, host: "c1", port: 9094, rack: "r" },
      ],
    });
    const mismatch = decoded(controllersRequest(), version, "cluster.response.mismatch");
    expect(mismatch).toMatchObject({ errorCode: 114, message: "mismatch", leaderId: -1 });
  });
});
