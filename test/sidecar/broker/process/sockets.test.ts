/** Whose sockets listen where, over recorded /proc trees, and how many files that costs. */
import { describe, expect, test } from "bun:test";
import { addressesOf, holderOf } from "../../../../sidecar/broker/process/sockets.ts";
import { filesFrom, type Recorded } from "./recorded-files.ts";

const KAFKA = 7;
const OWN = 20;
const PORT = 9092;
const row = (address: string, inode: number, port = "2384") =>
  `\n 0: ${address}:${port} 0:0 0A 00000000:00000000 00:00000000 00000000 0 0 ${inode} 1`;
const LOOPBACK = "0100007F";
const ANY = "00000000";
const ELSEWHERE = "0200007F";
const SIX = { any: "0".repeat(32), loopback: `${"0".repeat(24)}01000000` };
const MAPPED = `${"0".repeat(16)}FFFF00000100007F`;

const over = (recorded: Recorded) => filesFrom(() => recorded);
const net = (tcp: string, tcp6 = ""): Recorded => ({
  [`/proc/${KAFKA}/net/tcp`]: tcp,
  [`/proc/${KAFKA}/net/tcp6`]: tcp6,
});
const holds = (pid: number, ...inodes: readonly number[]): Recorded =>
  Object.fromEntries(inodes.map((inode, fd) => [`/proc/${pid}/fd/${fd}`, `socket:[${inode}]`]));

describe("holderOf()", () => {
  test.each([
    ["127.0.0.1", net(row(LOOPBACK, 1)), "somebody"],
    ["127.0.0.1", net(row(ANY, 1)), "somebody"],
    ["127.0.0.1", net("", row(SIX.any, 1)), "somebody"],
    ["127.0.0.1", net("", row(MAPPED, 1)), "somebody"],
    ["127.0.0.1", net(row(ELSEWHERE, 1)), "nobody"],
    ["127.0.0.1", net("", row(SIX.loopback, 1)), "nobody"],
    ["127.0.0.1", net(row(LOOPBACK, 1, "2385")), "nobody"],
    ["127.0.0.1", net(""), "nobody"],
    ["::1", net("", row(SIX.loopback, 1)), "somebody"],
    ["0:0:0:0:0:0:0:1", net("", row(SIX.loopback, 1)), "somebody"],
    ["::1", net("", row(SIX.any, 1)), "somebody"],
    ["::1", net(row(ANY, 1)), "nobody"],
    ["localhost", net(row(LOOPBACK, 1)), "somebody"],
    ["localhost", net("", row(SIX.loopback, 1)), "somebody"],
    ["localhost", net(row(ELSEWHERE, 1)), "nobody"],
    ["kafka-0.kafka", net(row(ELSEWHERE, 1)), "somebody"],
  ] as const)("of a hidden process, dialled at %s, %#: %j", (host, tables, want) => {
    expect(holderOf(over(tables), KAFKA, { host, port: PORT })).toBe(want);
  });

  test.each([
    ["kafka", LOOPBACK, 1],
    ["kafka", ELSEWHERE, 1],
    ["nobody", LOOPBACK, 2],
  ] as const)("of one whose files are seen is %s, at %s", (want, address, inode) => {
    const files = over({ ...net(row(address, inode)), ...holds(KAFKA, 1) });
    expect(holderOf(files, KAFKA, { host: "127.0.0.1", port: PORT })).toBe(want);
  });
});

describe("addressesOf()", () => {
  const many = Array.from({ length: 500 }, (_, n) => 1000 + n);

  test("names all of its own, and none of others", () => {
    const tables = net(row(LOOPBACK, 1) + row(ANY, 2, "2386"), row(SIX.loopback, 3));
    const files = over({ ...tables, ...holds(KAFKA, 3, 1), ...holds(OWN, 2) });
    expect(addressesOf(files, KAFKA, OWN)).toEqual(["127.0.0.1:9092", "[::1]:9092"]);
  });

  test("names an IPv4 address that an IPv6 socket listens on as it was written", () => {
    const files = over({ ...net("", row(MAPPED, 1) + row(SIX.any, 2)), ...holds(KAFKA, 1, 2) });
    expect(addressesOf(files, KAFKA, OWN)).toEqual(["127.0.0.1:9092", "[::]:9092"]);
  });

  test("goes through no files of its while nothing listens but we ourselves", () => {
    const nothing = over({ ...net(""), ...holds(KAFKA, ...many) });
    expect(addressesOf(nothing, KAFKA, OWN)).toEqual([]);
    expect(nothing.links()).toBe(0);
    const ours = over({ ...net(row(ANY, 9)), ...holds(KAFKA, ...many), ...holds(OWN, 9) });
    expect(addressesOf(ours, KAFKA, OWN)).toEqual([]);
    expect(ours.links()).toBe(1);
  });

  test("stops at the last that listens", () => {
    const files = over({ ...net(row(LOOPBACK, 1)), ...holds(KAFKA, 1, ...many), ...holds(OWN, 9) });
    expect(addressesOf(files, KAFKA, OWN)).toEqual(["127.0.0.1:9092"]);
    expect(files.links()).toBe(2);
  });
});
