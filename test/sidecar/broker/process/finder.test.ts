/** Finding Kafka's process, over recorded /proc trees; over real ones: test/fault/broker-memory.test.ts. */
import { describe, expect, test } from "bun:test";
import { chooseKafka, type ProcessCandidate } from "../../../../sidecar/broker/process/choose.ts";
import { openKafkaFinder } from "../../../../sidecar/broker/process/finder.ts";
import { commandLine, filesFrom, type Recorded, statText } from "./recorded-files.ts";

const OWN = 20;
const OWN_TICKS = 50_000;
const PORT = 9092;
const LISTENS =
  "\n 0: 00000000:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1\n";

const own: Recorded = {
  [`/proc/${OWN}/stat`]: statText(OWN, OWN_TICKS),
  [`/proc/${OWN}/cmdline`]: commandLine("/usr/local/bin/sidecar"),
  [`/proc/${OWN}/cgroup`]: "0::/\n",
};
const pause: Recorded = {
  "/proc/1/stat": statText(1, 100),
  "/proc/1/cmdline": commandLine("/pause"),
  "/proc/1/cgroup": "0::/../sandbox\n",
};
const kafka = (pid: number, startTicks: number, more: Recorded = {}): Recorded => ({
  [`/proc/${pid}/stat`]: statText(pid, startTicks),
  [`/proc/${pid}/cmdline`]: commandLine("java", "-cp", "l", "kafka.Kafka", "/etc/s.properties"),
  [`/proc/${pid}/cgroup`]: "0::/../kafka\n",
  [`/proc/${pid}/fd/0`]: "/dev/null",
  ...more,
});
const configured = (pid: number, port: number): Recorded => ({
  [`/proc/${pid}/root/etc/s.properties`]: `listeners=PLAINTEXT://:${port}\n`,
});
const network = (pid: number): Recorded => ({ [`/proc/${pid}/net/tcp`]: LISTENS });
const holds = (pid: number): Recorded => ({ [`/proc/${pid}/fd/7`]: "socket:[4711]" });

function finderOver(first: Recorded) {
  let recorded = first;
  let ageMs = 60_000;
  const files = filesFrom(() => recorded);
  const local = { host: "127.0.0.1", port: PORT };
  const finder = openKafkaFinder({ files, local, ownPid: OWN, ownAgeMs: () => ageMs });
  return {
    finder,
    files,
    now: (next: Recorded, laterMs = 0) => {
      recorded = next;
      ageMs += laterMs;
    },
  };
}

describe("openKafkaFinder()", () => {
  test("finds Kafka in a pod with a shared process namespace, with age and I/O", () => {
    const io = { "/proc/7/io": "rchar: 5\nwchar: 6\n" };
    const { finder } = finderOver({ ...own, ...pause, ...kafka(7, OWN_TICKS - 1000, io) });
    expect(finder.look()).toEqual({
      kind: "running",
      pid: 7,
      ageMs: 70_000,
      hasAnswered: false,
      ioBytes: 11,
    });
  });

  test("costs three reads once Kafka was seen to listen", () => {
    const { finder, files } = finderOver({ ...own, ...pause, ...kafka(7, 9), ...network(7) });
    finder.look();
    const before = files.reads();
    finder.look();
    expect(files.reads() - before).toBe(3);
  });

  test("is hidden when only our own container is visible, and says what is missing", () => {
    const shell = { "/proc/30/stat": statText(30, 9), "/proc/30/cgroup": "0::/\n" };
    const { finder } = finderOver({ ...own, ...shell });
    const seen = finder.look();
    expect(seen).toMatchObject({ kind: "hidden" });
    expect(JSON.stringify(seen)).toContain("shareProcessNamespace");
  });

  test("is hidden, not gone, before Kafka's container has started", () => {
    const { finder, now } = finderOver({ ...own, ...pause });
    const seen = finder.look();
    expect(seen).toMatchObject({ kind: "hidden" });
    expect(JSON.stringify(seen)).toContain("has not started");
    now({ ...own, ...pause, ...kafka(7, 9) });
    expect(finder.look()).toMatchObject({ kind: "running", pid: 7 });
  });

  test("is gone once Kafka was seen and is there no more", () => {
    const { finder, now } = finderOver({ ...own, ...pause, ...kafka(7, 9) });
    finder.look();
    now({ ...own, ...pause });
    expect(finder.look()).toEqual({ kind: "gone" });
    now({ ...own, ...pause, ...kafka(7, 9), "/proc/7/stat": statText(7, 9, "Z") });
    expect(finder.look()).toEqual({ kind: "gone" });
  });

  test("remembers who answered: not the next process, also not one of the same pid", () => {
    const { finder, now } = finderOver({ ...own, ...pause, ...kafka(7, 9), ...network(7) });
    finder.asking()();
    expect(finder.look()).toMatchObject({ pid: 7, hasAnswered: true });
    now({ ...own, ...pause, ...kafka(7, 99) });
    expect(finder.look()).toMatchObject({ pid: 7, hasAnswered: false });
    now({ ...own, ...pause, ...kafka(8, 101) });
    expect(finder.look()).toMatchObject({ pid: 8, hasAnswered: false });
  });

  test("takes an answer for that of the process that was asked, not of one that started since", () => {
    const { finder, now } = finderOver({ ...own, ...pause, ...kafka(7, 9), ...network(7) });
    const heard = finder.asking();
    now({ ...own, ...pause, ...kafka(8, 101) });
    expect(finder.look()).toMatchObject({ pid: 8, hasAnswered: false });
    heard();
    expect(finder.look()).toMatchObject({ pid: 8, hasAnswered: false });
    finder.asking()();
    expect(finder.look()).toMatchObject({ pid: 8, hasAnswered: true });
  });

  test("takes no Kafka that listens elsewhere alone for ours, and ours again while it starts", () => {
    const elsewhere = { "/proc/7/net/tcp": LISTENS.replace(":2384", ":2385") };
    const neighbour = { ...own, ...pause, ...kafka(7, 9), ...elsewhere, ...holds(7) };
    const { finder, now } = finderOver(neighbour);
    expect(JSON.stringify(finder.look())).toContain("nothing shows that 9092 is its port");
    now({ ...own, ...pause, ...kafka(7, 9), ...elsewhere });
    expect(finder.look()).toMatchObject({ kind: "running", pid: 7 });
    const { [`/proc/7/fd/0`]: _own, ...closed } = kafka(7, 9);
    expect(finderOver({ ...own, ...pause, ...closed }).finder.look()).toMatchObject({
      kind: "hidden",
    });
  });

  test("prefers the one that holds the socket which listens on the port", () => {
    const both = { ...kafka(7, 9), ...network(7), ...kafka(8, 9), ...network(8) };
    const { finder } = finderOver({ ...own, ...both, ...holds(8) });
    expect(finder.look()).toMatchObject({ kind: "running", pid: 8 });
  });

  test("takes the one that is configured for the port while none listens", () => {
    const both = { ...kafka(7, 9), ...configured(7, 1), ...kafka(8, 9), ...configured(8, PORT) };
    expect(finderOver({ ...own, ...both }).finder.look()).toMatchObject({ pid: 8 });
  });

  test("never takes the only Kafka when it is configured for another port", () => {
    const { finder } = finderOver({ ...own, ...pause, ...kafka(7, 9), ...configured(7, 1) });
    expect(finder.look()).toMatchObject({ kind: "hidden" });
  });

  test("is hidden when several could be meant, and names them", () => {
    const { finder } = finderOver({ ...own, ...pause, ...kafka(7, 9), ...kafka(8, 9) });
    const seen = finder.look();
    expect(seen).toMatchObject({ kind: "hidden" });
    expect(JSON.stringify(seen)).toContain("7, 8");
  });

  test("looks again every 10 s until it has seen who listens, and not before", () => {
    const first = { ...own, ...pause, ...kafka(7, 9) };
    const { finder, files, now } = finderOver(first);
    expect(finder.look()).toMatchObject({ pid: 7 });
    now({ ...first, ...kafka(8, 9), ...network(8), ...network(7), ...holds(8) }, 9999);
    const before = files.reads();
    expect(finder.look()).toMatchObject({ pid: 7 });
    expect(files.reads() - before).toBe(3);
    now({ ...first, ...kafka(8, 9), ...network(8), ...network(7), ...holds(8) }, 1);
    expect(finder.look()).toMatchObject({ pid: 8 });
  });

  test("tells who waits at the port and who is served, of both families, and when it looked", () => {
    const row = (address: string, state: string, received: string) =>
      `\n 0: ${address}:2384 0:0 ${state} 00000000:${received} 00:00000000 00000000 0 0 4711 1`;
    const four = row("0100007F", "01", "00000009");
    const six = row("0".repeat(32), "0A", "00000002") + row("0".repeat(32), "01", "00000000");
    const tables = { "/proc/7/net/tcp": four, "/proc/7/net/tcp6": six };
    const { finder, now } = finderOver({ ...own, ...pause, ...kafka(7, 9), ...tables });
    expect(finder.backlog()).toBeUndefined();
    finder.look();
    const seen = { pid: 7, waiting: 2, served: 2, unread: 1, cpuTicks: 0 };
    expect(finder.backlog()).toEqual({ ...seen, atMs: 60_000 });
    now({ ...own, ...pause, ...kafka(7, 9) }, 5000);
    expect(finder.backlog()).toEqual({
      ...{ pid: 7, waiting: 0, served: 0, unread: 0, cpuTicks: 0, atMs: 65_000 },
    });
  });

  test("goes through a long list in several looks, of 512 processes each", () => {
    const crowd = Array.from({ length: 1100 }, (_, n) => [`/proc/${1000 + n}/stat`, "x"]);
    const { finder } = finderOver({ ...own, ...Object.fromEntries(crowd), ...kafka(9000, 9) });
    const looks = [finder.look(), finder.look(), finder.look()];
    expect(looks.map(({ kind }) => kind)).toEqual(["hidden", "hidden", "running"]);
  });
});

describe("chooseKafka()", () => {
  const one = (pid: number, more: Partial<ProcessCandidate> = {}): ProcessCandidate => ({
    ...{ pid, startTicks: 1, listens: undefined, configured: undefined, isMute: false },
    ...more,
  });
  const rows = [
    ["nobody", [], { kind: "none" }],
    [
      "who listens, over who is configured",
      [one(1, { configured: true }), one(2, { listens: true })],
      { pid: 2, certain: true },
    ],
    [
      "who is configured, over who is unknown",
      [one(1), one(2, { configured: true })],
      { pid: 2, certain: false },
    ],
    ["who is left", [one(1, { configured: false }), one(2)], { pid: 2, certain: false }],
    ["nobody when all are others", [one(1, { configured: false })], { kind: "others", pids: [1] }],
    ["who listens nowhere", [one(1, { listens: false, isMute: true })], { pid: 1, certain: false }],
    ["nobody who listens elsewhere", [one(1, { listens: false })], { kind: "unproven", pid: 1 }],
    ["nobody of two unknown", [one(1), one(2)], { kind: "ambiguous", pids: [1, 2] }],
    [
      "nobody of two that listen",
      [one(1, { listens: true }), one(2, { listens: true })],
      { kind: "ambiguous", pids: [1, 2] },
    ],
  ] as const;
  test.each(rows)("takes %s", (_, candidates, want) => {
    const choice = chooseKafka(candidates);
    const told =
      choice.kind === "one" ? { pid: choice.candidate.pid, certain: choice.certain } : choice;
    expect(told).toEqual(JSON.parse(JSON.stringify(want)));
  });
});
