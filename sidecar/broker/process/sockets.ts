/**
 * The sockets of a process, as /proc shows them: whether it listens, where, and what waits there. To show
 * them, the kernel walks all its connections, which takes 5 ms or more; and a process may have tens of
 * thousands of files.
 */
import { BlockList, isIP } from "node:net";
import { addressText } from "../../../shared/kafka/settings.ts";
import type { Files } from "../../../shared/linux/kernel-files.ts";
import type { Backlog, PortHolder } from "../snapshot.ts";
import {
  type Connections,
  connectionsTo,
  cpuTicks,
  type ListeningRow,
  listeningRows,
} from "./parse.ts";

/** The most open files that are read of a process; a broker has one or more for each segment. */
const DESCRIPTORS_MAX = 65_536;

export type Listener = { readonly host: string; readonly port: number };

const descriptorsOf = (files: Files, pid: number): readonly string[] =>
  files.list(`/proc/${pid}/fd`).slice(0, DESCRIPTORS_MAX);

const socketOf = (files: Files, pid: number, fd: string): string =>
  files.link(`/proc/${pid}/fd/${fd}`) ?? "";

const tablesOf = (files: Files, pid: number): readonly string[] =>
  ["tcp", "tcp6"].map((name) => {
    const text = files.read(`/proc/${pid}/net/${name}`);
    return text.ok ? text.value : "";
  });

/** What listens in a process's network namespace: on one port, or on any. */
const rowsIn = (files: Files, pid: number, port?: number): readonly ListeningRow[] =>
  tablesOf(files, pid)
    .flatMap(listeningRows)
    .filter((row) => port === undefined || row.port === port);

const socketsOf = (rows: readonly ListeningRow[]): ReadonlySet<string> =>
  new Set(rows.map(({ socket }) => socket));

/** It has no listening socket at all: it is starting. */
export function listensNowhere(files: Files, pid: number): boolean {
  const own = descriptorsOf(files, pid);
  if (own.length === 0) return false;
  const sockets = socketsOf(rowsIn(files, pid));
  return !own.some((fd) => sockets.has(socketOf(files, pid, fd)));
}

/** Whether it has one of these. Undefined: we may not see its files. */
function holdsAny(files: Files, pid: number, rows: readonly ListeningRow[]): boolean | undefined {
  const sockets = socketsOf(rows);
  const descriptors = descriptorsOf(files, pid);
  if (descriptors.length === 0) return undefined;
  return descriptors.some((fd) => sockets.has(socketOf(files, pid, fd)));
}

/** If there is only one Kafka in a network namespace, it must be the listener: its files need not be read. */
export function listensOn(
  files: Files,
  pid: number,
  port: number,
  isOnly: boolean,
): boolean | undefined {
  const rows = rowsIn(files, pid, port);
  if (rows.length === 0) return false;
  return isOnly ? true : holdsAny(files, pid, rows);
}

/**
 * Whose socket listens on the port. If the process's files are hidden, any socket that could serve `host`
 * counts as somebody's.
 */
export function holderOf(files: Files, pid: number, { host, port }: Listener): PortHolder {
  const rows = rowsIn(files, pid, port);
  if (rows.length === 0) return "nobody";
  const isKafka = holdsAny(files, pid, rows);
  if (isKafka !== undefined) return isKafka ? "kafka" : "nobody";
  const takes = takersOf(host);
  return rows.some((row) => takes(row.host)) ? "somebody" : "nobody";
}

/** Whether a connection to `host` may reach this listening address. For a name that only the resolver knows: yes. */
function takersOf(host: string): (listening: string) => boolean {
  const addresses = host === "localhost" ? ["127.0.0.1", "::1"] : [host.replace(/%.*$/u, "")];
  if (addresses.some((address) => isIP(address) === 0)) return () => true;
  const list = new BlockList();
  for (const address of addresses) list.addAddress(address, familyOf(address));
  const isFour = addresses.some((address) => isIP(address) === 4);
  return (listening) =>
    listening === "::" ||
    (listening === "0.0.0.0" && isFour) ||
    list.check(listening, familyOf(listening));
}

const familyOf = (address: string): "ipv4" | "ipv6" => (isIP(address) === 4 ? "ipv4" : "ipv6");

/**
 * Where it listens. Its files are read only until the listening socket is found; sockets of `ownPid` do not
 * count.
 */
export function addressesOf(files: Files, pid: number, ownPid: number): readonly string[] {
  const rows = rowsIn(files, pid);
  const wanted = new Set(socketsOf(rows));
  if (wanted.size > 0) {
    for (const fd of descriptorsOf(files, ownPid)) wanted.delete(socketOf(files, ownPid, fd));
  }
  if (wanted.size === 0) return [];
  const found = new Set<string>();
  for (const fd of descriptorsOf(files, pid)) {
    const socket = socketOf(files, pid, fd);
    if (wanted.delete(socket)) found.add(socket);
    if (wanted.size === 0) break;
  }
  return rows
    .filter(({ socket }) => found.has(socket))
    .map(({ host, port }) => addressText({ host: plainOf(host), port }));
}

/** Java listens on 127.0.0.1 by an IPv6 socket (RFC 4291, 2.5.5.2): ::ffff:7f00:1 is what nobody has written. */
function plainOf(host: string): string {
  const [, high = "", low = ""] = /^::ffff:([\da-f]+):([\da-f]+)$/u.exec(host) ?? [];
  if (low === "") return host;
  const halves = [high, low].map((half) => Number.parseInt(half, 16));
  return halves.flatMap((half) => [half >> 8, half & 0xff]).join(".");
}

export function backlogOf(
  files: Files,
  pid: number,
  port: number,
  atMs: number,
): Backlog | undefined {
  const stat = files.read(`/proc/${pid}/stat`);
  const ticks = stat.ok ? cpuTicks(stat.value) : undefined;
  if (ticks === undefined) return undefined;
  const counts = tablesOf(files, pid).map((text) => connectionsTo(text, port));
  const sum = (count: keyof Connections) => counts.reduce((all, each) => all + each[count], 0);
  const connections = { waiting: sum("waiting"), served: sum("served"), unread: sum("unread") };
  return { pid, atMs, ...connections, cpuTicks: ticks };
}
