/**
 * Finds Kafka's process in /proc, and watches it: once found, a look costs two small reads. In a pod this
 * needs `shareProcessNamespace: true`; on a host nothing.
 *
 * Invariants (test/sidecar/broker/process/finder.test.ts):
 *  - a process is identified by pid and start, so a reused pid is never taken for Kafka;
 *  - `gone` is only reported for a process that was seen: not before Kafka's container has started, nor
 *    when Kafka runs under an unknown name;
 *  - a look reads at most PIDS_PER_LOOK processes; a longer list takes several looks.
 */

import type { Files } from "../../../shared/linux/kernel-files.ts";
import { parseStat } from "../../../shared/linux/proc-stat.ts";
import type { Backlog, KafkaProcess, PortHolder } from "../snapshot.ts";
import { type Choice, chooseKafka, type ProcessCandidate } from "./choose.ts";
import {
  ioBytes,
  type KafkaProgram,
  kafkaProgram,
  listenerPorts,
  propertiesPath,
} from "./parse.ts";
import {
  addressesOf,
  backlogOf,
  holderOf,
  type Listener,
  listensNowhere,
  listensOn,
} from "./sockets.ts";

/** A pod has a dozen processes; on a busy host this takes at most a few ms of each round. */
const PIDS_PER_LOOK = 512;
/**
 * How often to look again for a process that listens: to list listening sockets, the kernel walks all its
 * connections, which takes 5 ms or more.
 */
const SURE_AGAIN_MS = 10_000;
/** USER_HZ, the unit of times in /proc: 100 on all platforms on which Bun runs. */
const MS_PER_TICK = 10;

const ALONE =
  "no process outside this container can be seen: Kafka's pod needs shareProcessNamespace: true";
const NOT_THERE =
  "no visible process is Kafka (main class kafka.Kafka): it has not started, or has another name";
const NOT_ALL = "not all processes have been checked yet";

export type KafkaFinder = {
  /** What can be seen now. */
  readonly look: () => KafkaProcess;
  /**
   * Call it before the listener is asked, and call the returned function when the listener has answered:
   * the answer belongs to the process at the time of the question, not to one that has started since.
   */
  readonly asking: () => () => void;
  /** Whose socket listens on the port, as far as we can see. It takes the kernel 5 ms or more. */
  readonly portHolder: () => PortHolder | undefined;
  /**
   * Connections that it has not accepted yet, and the CPU time that it has used, to distinguish a limit
   * from a hang. As expensive as `portHolder`.
   */
  readonly backlog: () => Backlog | undefined;
  /** All addresses, `host:port`, on which its sockets listen. */
  readonly listensAt: () => readonly string[];
};

export type KafkaFinderOptions = {
  readonly files: Files;
  /** LOCAL_BROKER, the address to which we connect. */
  readonly local: Listener;
  readonly ownPid: number;
  /** For how long our own process has been running: a clock that is comparable with /proc's start times. */
  readonly ownAgeMs: () => number;
};

type Known = {
  readonly pid: number;
  readonly startTicks: number;
  /** By `ownAgeMs`; once a process was seen to listen, the search is over. */
  readonly sureUntilMs: number;
};
type Found = { readonly pid: number; readonly startTicks: number; readonly program: KafkaProgram };
/** The search through all processes: those still to read, and what was found among the others. */
type Pass = { readonly left: number[]; readonly found: Found[] };

export function openKafkaFinder({
  files,
  local,
  ownPid,
  ownAgeMs,
}: KafkaFinderOptions): KafkaFinder {
  const { port } = local;
  let known: Known | undefined;
  let everSeen = false;
  let answeredBy: string | undefined;
  let pass: Pass | undefined;

  const running = (process: Known): KafkaProcess => {
    const own = startOf(files, ownPid);
    const io = files.read(`/proc/${process.pid}/io`);
    const ownTicks = own ?? process.startTicks;
    return {
      kind: "running",
      pid: process.pid,
      ageMs: Math.max(0, ownAgeMs() + (ownTicks - process.startTicks) * MS_PER_TICK),
      hasAnswered: answeredBy === keyOf(process),
      ioBytes: io.ok ? ioBytes(io.value) : undefined,
    };
  };

  const lives = (process: Known) => startOf(files, process.pid) === process.startTicks;

  /** Undefined while a long list is not finished. */
  const search = (): Choice | undefined => {
    const current = pass ?? { left: [...pidsIn(files)], found: [] };
    for (const pid of current.left.splice(0, PIDS_PER_LOOK)) {
      const found = pid === ownPid ? undefined : readKafka(files, pid);
      if (found !== undefined) current.found.push(found);
    }
    pass = current.left.length > 0 ? current : undefined;
    if (pass !== undefined) return undefined;
    const isOnly = current.found.length === 1;
    return chooseKafka(current.found.map((each) => candidateOf(files, each, port, isOnly)));
  };

  const knownOf = ({ candidate, certain }: Extract<Choice, { kind: "one" }>): Known => ({
    ...{ pid: candidate.pid, startTicks: candidate.startTicks },
    sureUntilMs: certain ? Infinity : ownAgeMs() + SURE_AGAIN_MS,
  });

  const hidden = (reason: string): KafkaProcess => ({ kind: "hidden", reason });
  const absent = (reason: string): KafkaProcess => (everSeen ? { kind: "gone" } : hidden(reason));

  const settle = (choice: Choice): KafkaProcess => {
    known = choice.kind === "one" ? knownOf(choice) : undefined;
    if (known !== undefined) everSeen = true;
    switch (choice.kind) {
      case "one":
        return running(knownOf(choice));
      case "none":
        return absent(seesOthers(files, ownPid) ? NOT_THERE : ALONE);
      case "others":
        return absent(`no visible Kafka (${choice.pids.join(", ")}) has a listener on ${port}`);
      case "unproven":
        return hidden(unproven(choice.pid, port));
      case "ambiguous":
        return hidden(ambiguous(choice.pids, port));
    }
  };

  const look = (): KafkaProcess => {
    if (known !== undefined && !lives(known)) known = undefined;
    if (known !== undefined && ownAgeMs() < known.sureUntilMs) return running(known);
    const choice = search();
    if (choice !== undefined) return settle(choice);
    return known === undefined ? hidden(NOT_ALL) : running(known);
  };

  return {
    look,
    backlog: () => known && backlogOf(files, known.pid, port, ownAgeMs()),
    portHolder: () => known && holderOf(files, known.pid, local),
    listensAt: () => (known === undefined ? [] : addressesOf(files, known.pid, ownPid)),
    asking: () => {
      look();
      const asked = known && keyOf(known);
      return () => {
        answeredBy = asked ?? answeredBy;
      };
    },
  };
}

const keyOf = ({ pid, startTicks }: Pick<Known, "pid" | "startTicks">): string =>
  `${pid}/${startTicks}`;

const ambiguous = (pids: readonly number[], port: number): string =>
  `processes ${pids.join(", ")} are all Kafka, and which of them listens on ${port} cannot be seen: ` +
  "run as Kafka's user, or set KAFKA_CGROUP";

const unproven = (pid: number, port: number): string =>
  `process ${pid} is Kafka, but nothing shows that ${port} is its port: ` +
  "run as Kafka's user, or set KAFKA_CGROUP";

const pidsIn = (files: Files): readonly number[] =>
  files
    .list("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .map(Number);

/** Undefined when there is no such process, or only a zombie of it. */
function startOf(files: Files, pid: number): number | undefined {
  const text = files.read(`/proc/${pid}/stat`);
  const stat = text.ok ? parseStat(text.value) : undefined;
  return stat?.alive === true ? stat.startTicks : undefined;
}

function readKafka(files: Files, pid: number): Found | undefined {
  const commandLine = files.read(`/proc/${pid}/cmdline`);
  const program = commandLine.ok ? kafkaProgram(commandLine.value) : undefined;
  const startTicks = program === undefined ? undefined : startOf(files, pid);
  return program === undefined || startTicks === undefined
    ? undefined
    : { pid, startTicks, program };
}

function candidateOf(files: Files, found: Found, port: number, isOnly: boolean): ProcessCandidate {
  const { pid, startTicks } = found;
  const listens = listensOn(files, pid, port, isOnly);
  const configured = listens === true ? undefined : configuredFor(files, found, port);
  const isUnproven = listens === false && configured === undefined;
  const isMute = isUnproven && listensNowhere(files, pid);
  return { pid, startTicks, listens, configured, isMute };
}

/** Reads its properties as the process sees them: under its own root, from its own working directory. */
function configuredFor(files: Files, { pid, program }: Found, port: number): boolean | undefined {
  const path = propertiesPath(program);
  const under = path?.startsWith("/") === true ? "root" : "cwd/";
  const text = path === undefined ? undefined : files.read(`/proc/${pid}/${under}${path}`);
  return listenerPorts(program, text?.ok === true ? text.value : "")?.includes(port);
}

/** Whether we can see any process outside this container. The container's own processes share its cgroup. */
function seesOthers(files: Files, ownPid: number): boolean {
  const own = files.read(`/proc/${ownPid}/cgroup`);
  return pidsIn(files)
    .slice(0, PIDS_PER_LOOK)
    .some((pid) => {
      const other = files.read(`/proc/${pid}/cgroup`);
      return other.ok && own.ok && other.value !== own.value;
    });
}
