/**
 * What one round read of the broker beside us and of its cluster: the input of the checks. Plain data;
 * what could not be read says why. Times are ms, sizes bytes.
 */
import type { FutureReplica, LogDir as ToldDir } from "../../shared/kafka/api/describe-log-dirs.ts";
import type { Quorum, QuorumReplica } from "../../shared/kafka/api/describe-quorum.ts";
import type { ClusterMetadata } from "../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";

export type { FutureReplica, Quorum, QuorumReplica };

/** What lies in a log directory: read less often than the directory itself. */
export type DirContents = Pick<ToldDir, "sizeBytes" | "replicas" | "topics" | "future">;
export type LogDirectory = Omit<ToldDir, keyof DirContents> & {
  /** Undefined: not read yet, not readable (offline), or read too long ago. */
  readonly contents: DirContents | undefined;
};

/** The directories that are online and of which it is not known what lies in them: their paths. */
export const unreadDirs = (dirs: readonly LogDirectory[]): readonly string[] =>
  dirs
    .filter(({ errorCode, contents }) => errorCode === 0 && contents === undefined)
    .map(({ path }) => path);

export type Reading<T> =
  | { readonly kind: "read"; readonly value: T; readonly durationMs: number }
  | { readonly kind: "failed"; readonly error: KafkaError; readonly durationMs: number }
  /** Not asked, because there is nothing to ask: an old broker without the API, a controller without partitions. */
  | { readonly kind: "absent"; readonly reason: string };

/**
 * What the local listener did. Any answer counts, also a refusal: a wrong password or an expired
 * certificate of ours is no fault of Kafka's.
 */
export type ListenerAnswer =
  /** `despite`: on another connection than the one that was opened to ask, which came to this. */
  | { readonly kind: "answered"; readonly durationMs: number; readonly despite?: string }
  /** It answered, but does not take us: TLS alert, SASL refusal. */
  | {
      readonly kind: "refused-us";
      readonly detail: string;
      readonly durationMs: number;
      /** It is we who do not take its certificate. */
      readonly by?: "us";
    }
  /** A quota of its mutes our connection, as it said itself. */
  | { readonly kind: "throttled"; readonly detail: string; readonly durationMs: number }
  /** Nobody listens: the connection is refused (ECONNREFUSED). */
  | { readonly kind: "closed"; readonly detail: string; readonly durationMs: number }
  /**
   * The connection was taken and ended without a byte: at a limit of connections (max.connections.per.ip) a
   * broker that serves everybody else does so, and a proxy does in front of one that is dead.
   */
  | { readonly kind: "cut"; readonly detail: string; readonly durationMs: number }
  /** No answer before the deadline. `connected`: but somebody took the connection. */
  | {
      readonly kind: "silent";
      readonly connected: boolean;
      /** It is a connection that was opened to ask: Kafka itself may not have taken it from the kernel yet. */
      readonly isNew?: boolean;
      readonly detail: string;
      readonly durationMs: number;
    }
  /** We could not ask: a name that does not resolve, no route, a file we cannot use. */
  | { readonly kind: "not-asked"; readonly detail: string; readonly durationMs: number };

/** Kafka's own process, where we can see it (`shareProcessNamespace`, or the same host). */
export type KafkaProcess =
  | {
      readonly kind: "running";
      readonly pid: number;
      /** For how long it has been running. */
      readonly ageMs: number;
      /** Has its listener answered us since this process started? */
      readonly hasAnswered: boolean;
      /** Bytes read and written by it since its start (/proc/<pid>/io): the only sign of progress in recovery. */
      readonly ioBytes: number | undefined;
    }
  | { readonly kind: "gone" }
  | { readonly kind: "hidden"; readonly reason: string };

export type Hidden = { readonly replicas: number; readonly reason: string };

/** Which node answers at the local address. */
export type NodeIdentity =
  | { readonly kind: "same"; readonly how: string }
  /** Proven. `nodeId`: who answers, where that is known. */
  | { readonly kind: "other"; readonly nodeId: number | undefined; readonly how: string }
  /** `isFinal`: nothing more is to be found out for now; else the answer is still awaited. */
  | { readonly kind: "unproven"; readonly isFinal: boolean; readonly detail: string };

/**
 * Whose socket listens on Kafka's port: its process's, or somebody's that could take our connection, whose it
 * is being hidden from us; or nobody's.
 */
export type PortHolder = "kafka" | "somebody" | "nobody";

/** Connections to Kafka's port, as the kernel sees them, and the CPU time of its process so far. */
export type Backlog = {
  readonly pid: number;
  /** When this was looked at, by our own age: only differences count. */
  readonly atMs: number;
  /** Not taken by Kafka yet. */
  readonly waiting: number;
  /** Taken by Kafka, and not closed by it. */
  readonly served: number;
  /** Of those served: what they sent, or that they ended, is left unread. */
  readonly unread: number;
  /** In clock ticks of 10 ms. */
  readonly cpuTicks: number;
};

/** The other brokers, asked for a sign of life. */
export type Peers = {
  /** Those that the configuration names, without this one. */
  readonly known: number;
  /** Of a sample of them, those that we asked: who has no address, or no route, is not. */
  readonly asked: number;
  /** Also with a refusal. */
  readonly answered: number;
  /** Nobody took the connection: they hang with a full queue, or the network is away. */
  readonly untaken: number;
};

/** That the local broker has been silent without a break. */
export type Silence = {
  readonly forMs: number;
  /** Most of the others were silent, too, and not all of them answer yet. */
  readonly isShared: boolean;
  /** Undefined in the first round of it: the others are asked from the next one on. */
  readonly peers: Peers | undefined;
};

export type BrokerSnapshot = {
  readonly brokerId: number;
  /** A controller-only node has no metadata, partitions or log directories to ask for. */
  readonly role: "broker" | "controller";
  readonly answer: ListenerAnswer;
  readonly identity: NodeIdentity;
  /** Undefined: it is not silent. */
  readonly silence: Silence | undefined;
  readonly process: KafkaProcess;
  /**
   * Has it answered since its process started; where that is hidden: since its listener was last found closed.
   * A refusal counts: only a broker that has started speaks TLS, or refuses a password.
   */
  readonly hasStarted: boolean;
  /** Looked at only while the connection is refused to one that had answered; undefined: not looked. */
  readonly portHolder: PortHolder | undefined;
  /** Looked at only while a new connection of ours is silent; undefined: not looked, or not to be seen. */
  readonly backlog: Backlog | undefined;
  /** Where Kafka's process listens, `host:port`; none where that was not looked at, or cannot be seen. */
  readonly listensAt: readonly string[];
  /** `from`: the local broker, or whoever else answered when it did not. */
  readonly metadata: Reading<{
    readonly cluster: ClusterMetadata;
    readonly from: "local" | "cluster";
  }>;
  readonly quorum: Reading<Quorum>;
  readonly logDirs: Reading<readonly LogDirectory[]>;
  /** `min.insync.replicas` by topic; a topic that is not in it could not be read. */
  readonly minInsyncReplicas: Reading<ReadonlyMap<string, number>>;
  /** Why some of them could not be read, in Kafka's words; undefined where all could. */
  readonly minInsyncTrouble: string | undefined;
  /** Replicas in the log directories of topics that we may not see; undefined where there are none. */
  readonly hidden: Hidden | undefined;
  /** Partitions, such as `orders-3`, to which a reassignment is adding this broker. */
  readonly adding: ReadonlySet<string>;
  /** How much longer than the deadline our own timer took: what we did not get of the CPU. */
  readonly lagMs: number;
};
