/**
 * Parses what /proc says about a process (proc(5)), as far as it matters for Kafka: command line, settings,
 * sockets, I/O. Pure.
 */

import type { Backlog } from "../snapshot.ts";

/** The program in a command line: a Java main class, or an executable, and its arguments. */
export type KafkaProgram = { readonly name: string; readonly args: readonly string[] };

/** Options of the `java` launcher whose value is the next argument; the others contain their value, or have none. */
const TAKE_NEXT: readonly string[] = [
  ...["-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path"],
  ...["--add-modules", "--add-exports", "--add-opens", "--add-reads", "--limit-modules"],
  ...["--patch-module", "--enable-native-access"],
];

/**
 * Main classes of a broker or a controller: Apache Kafka's own (its native image is an executable of that
 * name), and Confluent's before Platform 7.
 */
const KAFKA: readonly string[] = ["kafka.Kafka", "io.confluent.support.metrics.SupportedKafka"];
/** Apache's images: formats the storage, then becomes or starts `kafka.Kafka`. */
const KAFKA_WRAPPER = "kafka.docker.";

/** `commandLine` as in /proc/<pid>/cmdline. Undefined when it is not Kafka's. */
export function kafkaProgram(commandLine: string): KafkaProgram | undefined {
  const [executable = "", ...args] = commandLine.replace(/\0+$/u, "").split("\0");
  const base = executable.slice(executable.lastIndexOf("/") + 1);
  const program = base === "java" ? javaProgram(args) : { name: base, args };
  if (program === undefined) return undefined;
  return KAFKA.includes(program.name) || program.name.startsWith(KAFKA_WRAPPER)
    ? program
    : undefined;
}

function javaProgram(args: readonly string[]): KafkaProgram | undefined {
  let at = 0;
  while (at < args.length) {
    const word = args[at] ?? "";
    if (TAKE_NEXT.includes(word)) at += 2;
    else if (word.startsWith("-") || word.startsWith("@")) at += 1;
    else return { name: word, args: args.slice(at + 1) };
  }
  return undefined;
}

/** The path of Kafka's settings file, as on its command line. */
export const propertiesPath = (program: KafkaProgram): string | undefined =>
  program.args.find((word) => word.endsWith(".properties"));

/**
 * The ports in Kafka's `listeners`, from its command line (`--override listeners=…`, which wins) or its
 * properties. Undefined if neither has any.
 */
export function listenerPorts(
  program: KafkaProgram,
  properties: string,
): readonly number[] | undefined {
  const given = program.args.findLast((word) => word.startsWith("listeners="));
  const line = given ?? /^\s*(?<line>listeners\s*[=:].*)$/mu.exec(properties)?.groups?.["line"];
  if (line === undefined) return undefined;
  const ports = [...line.matchAll(/:\/\/[^,]*:(?<port>\d+)/gu)].map(
    ({ groups }) => groups?.["port"],
  );
  return ports.length === 0 ? undefined : ports.map(Number);
}

/** Positions of fields in a line of /proc/<pid>/net/tcp. */
const LOCAL = 1;
const STATE = 3;
const QUEUES = 4;
const INODE = 9;
/** TCP_LISTEN and others from the kernel's include/net/tcp_states.h. */
const LISTEN = "0A";
const ESTABLISHED = "01";
/** The other side has closed it, but ours has not: it would have closed it as soon as it read the end. */
const CLOSE_WAIT = "08";

const hexPort = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, "0")}`;

export type Connections = Pick<Backlog, "waiting" | "served" | "unread">;

/**
 * The connections to a port, from /proc/<pid>/net/tcp or tcp6. Those that wait to be accepted are counted
 * in the rx_queue of the listening row, and have no inode of their own yet.
 */
export function connectionsTo(text: string, port: number): Connections {
  const ending = hexPort(port);
  const count = { waiting: 0, served: 0, unread: 0 };
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/u);
    if (fields[LOCAL]?.endsWith(ending) !== true) continue;
    const state = fields[STATE];
    const received = Number.parseInt(fields[QUEUES]?.split(":")[1] ?? "0", 16);
    if (state === LISTEN) count.waiting += received;
    if ((state !== ESTABLISHED && state !== CLOSE_WAIT) || fields[INODE] === "0") continue;
    count.served += 1;
    if (state === CLOSE_WAIT || received > 0) count.unread += 1;
  }
  return count;
}

/** Positions of fields in /proc/<pid>/stat after the command name, which may contain anything up to the last `)`. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/** The CPU time of a process so far. */
export function cpuTicks(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
  return Number.isSafeInteger(ticks) ? ticks : undefined;
}

/** `socket`: the text of a link to it in /proc/<pid>/fd. */
export type ListeningRow = {
  readonly socket: string;
  readonly host: string;
  readonly port: number;
};

/** All sockets that listen, from /proc/<pid>/net/tcp or tcp6. */
export function listeningRows(text: string): readonly ListeningRow[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.trim().split(/\s+/u);
    const [host, port] = (fields[LOCAL] ?? "").split(":");
    const inode = fields[INODE];
    if (fields[STATE] !== LISTEN || inode === undefined || !host || !port) return [];
    return [{ socket: `socket:[${inode}]`, host: hostText(host), port: Number.parseInt(port, 16) }];
  });
}

const WORD_CHARS = 8;

/** The kernel writes an address as words in its own byte order: little-endian on all platforms on which Bun runs. */
function hostText(hex: string): string {
  const words = hex.match(/.{8}/gu) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../gu) ?? []).reverse());
  if (hex.length === WORD_CHARS) return bytes.map((byte) => Number.parseInt(byte, 16)).join(".");
  const groups = bytes.flatMap((byte, at) =>
    at % 2 === 0 ? [`${byte}${bytes[at + 1] ?? ""}`] : [],
  );
  const full = groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":");
  // One run of zeros is shortened, as usual; a mapped IPv4 address stays readable.
  return full.replace(/(?:^|:)0(?::0)+(?::|$)/u, "::");
}

/**
 * Bytes read and written by a process's system calls, from /proc/<pid>/io. Reads from the page cache count,
 * too, since recovery after a crash reads segments that may still be in it.
 */
export function ioBytes(text: string): number | undefined {
  const read = /^rchar: (?<bytes>\d+)$/mu.exec(text)?.groups?.["bytes"];
  const written = /^wchar: (?<bytes>\d+)$/mu.exec(text)?.groups?.["bytes"];
  return read === undefined || written === undefined ? undefined : Number(read) + Number(written);
}
