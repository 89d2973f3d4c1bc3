/**
 * All that one round asks the broker beside us. A broker answers the requests of one connection one after
 * the other, so each kind of question has a connection of its own. Only the identity is asked on the ping's
 * connection, because it must be known for that very connection; it is asked seldom, and never with a
 * request that a broker may delay. While the broker refuses us, only the ping opens connections.
 */

import type { Clock } from "../../../shared/clock.ts";
import {
  type ClusterMetadata,
  metadataRequest,
  watchedMetadataRequest,
} from "../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import type { BrokerAddress, KafkaSettings } from "../../../shared/kafka/settings.ts";
import type {
  BrokerSnapshot,
  ListenerAnswer,
  LogDirectory,
  NodeIdentity,
  Reading,
  SeenQuorum,
} from "../snapshot.ts";
import { openRenewableConnection } from "./connection.ts";
import { openHiddenReader } from "./hidden-topics.ts";
import { openIdentityReader } from "./identity.ts";
import { openLogDirReader } from "./log-dirs.ts";
import { openMinInsyncReader } from "./min-insync.ts";
import { openPing } from "./ping.ts";
import { openQuorumReader, type QuorumReaderOptions } from "./quorum.ts";
import { readWithin } from "./reading.ts";
import { openAddingReader } from "./reassignments.ts";
import type { RoundClock } from "./round-clock.ts";
import { openSingleFlight } from "./single-flight.ts";

const METADATA_KEY = 3;
/** kafkajs's text. */
const ENDED = "Closed connection";

export type LocalReads = {
  readonly role: BrokerSnapshot["role"];
  readonly answer: ListenerAnswer;
  readonly identity: NodeIdentity;
  readonly metadata: Reading<ClusterMetadata>;
  readonly quorum: Reading<SeenQuorum>;
  readonly logDirs: Reading<readonly LogDirectory[]>;
  readonly minInsyncReplicas: Reading<ReadonlyMap<string, number>>;
  readonly minInsyncTrouble: string | undefined;
  readonly hidden: BrokerSnapshot["hidden"];
  readonly adding: BrokerSnapshot["adding"];
};

export type LocalBroker = {
  readonly read: (clock: RoundClock) => Promise<LocalReads>;
  readonly close: () => void;
};

export type LocalBrokerOptions = {
  readonly brokerId: number;
  readonly address: BrokerAddress;
  /** Including the name that the local broker's certificate must carry. */
  readonly settings: KafkaSettings;
  readonly credentials: () => string;
  readonly askOther: QuorumReaderOptions["askOther"];
  readonly askAny: QuorumReaderOptions["askAny"];
  readonly log: KafkaLog;
  readonly clock: Clock;
};

type Reads = Omit<LocalReads, "answer">;

export function openLocalBroker(options: LocalBrokerOptions): LocalBroker {
  const { main, connections, metadataOf, ...readers } = openReaders(options);
  const { quorum, logDirs, minInsync, identity, hidden, adding } = readers;
  const ping = openPing(main);
  let role: BrokerSnapshot["role"] = "broker";

  const readBroker = async (clock: RoundClock): Promise<Reads> => {
    const question = metadataOf.ask();
    const asked = readWithin(clock, "Metadata", question.answer, question).then(needed);
    const configs = asked.then((read) =>
      read.kind === "read" ? minInsync.read(read.value.topics, clock) : read,
    );
    const who = asked.then((read) =>
      identity.read(read.kind === "read" ? read.value.topics : undefined, clock),
    );
    const all = [asked, quorum.ofBroker(clock), logDirs.read(clock), configs, who] as const;
    const [metadata, leader, dirs, minInsyncReplicas, node] = await Promise.all(all);
    const [unseen, added] = await Promise.all([
      hidden(metadata, dirs, clock),
      adding(metadata, clock),
    ]);
    return {
      ...{ role: "broker", identity: node, metadata, quorum: leader },
      ...{ logDirs: dirs, minInsyncReplicas },
      minInsyncTrouble: minInsync.trouble()?.detail,
      ...{ hidden: unseen, adding: added },
    };
  };

  const readController = async (clock: RoundClock): Promise<Reads> => {
    const [read, node] = await Promise.all([quorum.ofController(clock), identity.read([], clock)]);
    return { role, identity: node, quorum: read, ...partitionsAs(NO_PARTITIONS) };
  };

  const readAll = (clock: RoundClock) =>
    role === "broker" ? readBroker(clock) : readController(clock);

  const learnRole = async (clock: RoundClock) => {
    const apis = await clock.within(main.apis());
    if (apis !== undefined) role = apis.has(METADATA_KEY) ? "broker" : "controller";
  };

  const handled = (): number => connections.reduce((sum, each) => sum + each.handled(), 0);

  return {
    read: async (clock) => {
      const handledBefore = handled();
      for (const connection of connections) connection.freshen();
      // At once, concurrently with the ping, over open connections.
      const isAnyOpen = connections.some((each) => each.isOpen());
      const early = isAnyOpen ? readAll(clock) : undefined;
      const { answer: pinged, dialled } = await ping.seek(clock);
      const answer = await unlessAlive(pinged, early, () => handled() > handledBefore);
      if (answer.kind !== "answered" && answer.kind !== "throttled") {
        const told = hinted(answer, options.settings);
        return { ...failedReads(role, told), answer: told };
      }
      if (dialled) await learnRole(clock);
      const reads = await (dialled || early === undefined ? readAll(clock) : early);
      return { ...reads, answer };
    },
    close: () => {
      for (const connection of connections) connection.drop("closed by us");
    },
  };
}

/** Each reader with the connection that it uses. */
function openReaders(options: LocalBrokerOptions) {
  const { brokerId, clock } = options;
  const open = () => openRenewableConnection(options);
  const [main, metadatas, quorums, moves] = [open(), open(), open(), open()];
  const [directories, bulk] = [open(), open()];
  const connections = [main, metadatas, quorums, moves, directories, bulk];
  const quorum = openQuorumReader({ ...options, connection: quorums });
  const logDirs = openLogDirReader({ directories, replicas: bulk, clock });
  const minInsync = openMinInsyncReader({ brokerId, connection: bulk, clock });
  const identity = openIdentityReader({ brokerId, connection: main, clock });
  const hidden = openHiddenReader({
    ...{ askTopics: (names) => metadatas.ask(metadataRequest(names)), clock },
  });
  const adding = openAddingReader({ ...options, connection: moves });
  const request = watchedMetadataRequest();
  const metadataOf = openSingleFlight({
    ...{ connection: metadatas, request: () => request, clock },
  });
  return {
    ...{ main, connections, metadataOf, quorum, logDirs, minInsync, identity, hidden, adding },
  };
}

/** A broker has partitions even if we speak no common version: not asking is no answer. */
function needed<T>(read: Reading<T>): Reading<T> {
  if (read.kind !== "absent") return read;
  const detail = `needs Kafka 2.8 or newer: ${read.reason}`;
  return {
    kind: "failed",
    error: { code: "unsupported", retry: "terminal", detail },
    durationMs: 0,
  };
}

/** Any answer of a request handler in this round shows life, on any of the connections. */
async function unlessAlive(
  pinged: ListenerAnswer,
  reads: Promise<unknown> | undefined,
  isAlive: () => boolean,
): Promise<ListenerAnswer> {
  switch (pinged.kind) {
    case "answered":
    case "throttled":
    case "refused-us":
      return pinged;
    case "closed":
    case "cut":
    case "silent":
    case "not-asked": {
      await reads;
      if (!isAlive()) return pinged;
      return { kind: "answered", durationMs: pinged.durationMs, despite: pinged.detail };
    }
  }
}

type Unanswered = Exclude<ListenerAnswer, { readonly kind: "answered" | "throttled" }>;

/** A broker that requires authentication closes the connection at the first real request, and does not say why. */
function hinted(answer: Unanswered, { sasl }: KafkaSettings): Unanswered {
  if (answer.kind !== "refused-us" || sasl !== undefined) return answer;
  if (!answer.detail.includes(ENDED)) return answer;
  const hint = "it closed the connection after it had answered: does it need SASL, or TLS?";
  return { ...answer, detail: `${answer.detail}: ${hint}` };
}

/** A broker that does not answer was not asked anything else. */
function failedReads(role: BrokerSnapshot["role"], answer: Unanswered): Reads {
  const { detail, durationMs } = answer;
  const error: KafkaError = { code: CODES[answer.kind], retry: "transient", detail };
  const failed = { kind: "failed", error, durationMs } as const;
  const identity = { kind: "unproven", isFinal: false, detail } as const;
  const partitions = partitionsAs(role === "broker" ? failed : NO_PARTITIONS);
  return { role, identity, quorum: failed, ...partitions };
}

const NO_PARTITIONS = { kind: "absent", reason: "a controller alone has no partitions" } as const;

const partitionsAs = (read: Exclude<Reading<never>, { readonly kind: "read" }>) => ({
  ...{ metadata: read, logDirs: read, minInsyncReplicas: read },
  ...{ minInsyncTrouble: undefined, hidden: undefined, adding: new Set<string>() },
});

const CODES = {
  "refused-us": "authentication",
  closed: "unreachable",
  cut: "unreachable",
  silent: "timeout",
  "not-asked": "invalid",
} as const;
