/**
 * What one round read of the broker beside us and of its cluster: the input of the checks. Plain data; a
 * failed reading has its reason. Times are ms, sizes bytes.
 */
import type { FutureReplica, LogDir as ToldDir } from "../../shared/kafka/api/describe-log-dirs.ts";
import type { Quorum, QuorumReplica } from "../../shared/kafka/api/describe-quorum.ts";
import type { ClusterMetadata } from "../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";

export type { FutureReplica, Quorum, QuorumReplica };

/** The contents of a log directory: read less often than the directory itself. */
export type DirContents = Pick<ToldDir, "sizeBytes" | "replicas" | "topics" | "future">;
export type LogDirectory = Omit<ToldDir, keyof DirContents> & {
  /** Undefined: not read yet, not readable (offline), or read too long ago. */
  readonly contents: DirContents | undefined;
};

/** The paths of online directories whose contents are not known. */
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
 * What the local listener did. Any answer counts, even a refusal: our wrong password or expired certificate
 * is no fault of Kafka's.
 */
export type ListenerAnswer =
  /** `despite`: it answered on another connection; this is what became of the one that was opened to ask. */
  | { readonly kind: "answered"; readonly durationMs: number; readonly despite?: string }
  /** It answered, but refuses us: TLS alert, SASL refusal. */
  | {
      readonly kind: "refused-us";
      readonly detail: string;
      readonly durationMs: number;
      /** We do not accept its certificate. */
      readonly by?: "us";
    }
  /** A quota mutes our connection, as the broker said itself. */
  | { readonly kind: "throttled"; readonly detail: string; readonly durationMs: number }
  /** Nobody listens: the connection is refused (ECONNREFUSED). */
  | { readonly kind: "closed"; readonly detail: string; readonly durationMs: number }
  /**
   * The connection was accepted and closed without a byte. So does a broker at a connection limit
   * (max.connections.per.ip), while it serves everybody else, and a proxy in front of a dead broker.
   */
  | { readonly kind: "cut"; readonly detail: string; readonly durationMs: number }
  /** No answer before the deadline. `connected`: the connection was accepted. */
  | {
      readonly kind: "silent";
      readonly connected: boolean;
      /** The connection was opened to ask: Kafka itself may not have accepted it from the kernel yet. */
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
      /** Whether its listener has answered us since this process started. */
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
  /** Proven. `nodeId`: which node answers, if known. */
  | { readonly kind: "other"; readonly nodeId: number | undefined; readonly how: string }
  /** `isFinal`: nothing more can be found out for now; otherwise the answer is still awaited. */
  | { readonly kind: "unproven"; readonly isFinal: boolean; readonly detail: string };

/**
 * Whose socket listens on Kafka's port: that of its process; one with a hidden owner that could accept our
 * connection; or none.
 */
export type PortHolder = "kafka" | "somebody" | "nobody";

/** Connections to Kafka's port, as the kernel counts them, and the CPU time of its process so far. */
export type Backlog = {
  readonly pid: number;
  /** When this was read, by our own process's age: only differences matter. */
  readonly atMs: number;
  /** Not accepted by Kafka yet. */
  readonly waiting: number;
  /** Accepted by Kafka, and not closed by it. */
  readonly served: number;
  /** Accepted ones whose data, or end, Kafka has not read. */
  readonly unread: number;
  /** In clock ticks of 10 ms. */
  readonly cpuTicks: number;
};

/** The other brokers, asked for a sign of life. */
export type Peers = {
  /** The brokers that the configuration names, without this one. */
  readonly known: number;
  /** How many of a sample could be asked; not those without an address or a route. */
  readonly asked: number;
  /** Including refusals. */
  readonly answered: number;
  /** The connection was not accepted: they hang with a full queue, or the network is down. */
  readonly untaken: number;
};

/** The local broker has been silent without a break. */
export type Silence = {
  readonly forMs: number;
  /** Most of the others were silent, too, and not all of them answer yet. */
  readonly isShared: boolean;
  /** Undefined in the first silent round: the others are asked from the next one on. */
  readonly peers: Peers | undefined;
};

export type SeenQuorum = Quorum & {
  /** Why a node that says it leads is not believed; `leaderId` is -1 then. */
  readonly deposed?: string;
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
   * Whether it has answered since its process started; if that is hidden: since its listener was last found
   * closed. A refusal counts: only a broker that has started speaks TLS, or refuses a password.
   */
  readonly hasStarted: boolean;
  /** Read only while connections to a broker that had answered are refused; undefined: not read. */
  readonly portHolder: PortHolder | undefined;
  /** Read only while a new connection of ours is silent; undefined: not read, or not visible. */
  readonly backlog: Backlog | undefined;
  /** Where Kafka's process listens, `host:port`; empty if that was not read, or is not visible. */
  readonly listensAt: readonly string[];
  /** `from`: the local broker, or another one that answered instead. */
  readonly metadata: Reading<{
    readonly cluster: ClusterMetadata;
    readonly from: "local" | "cluster";
  }>;
  readonly quorum: Reading<SeenQuorum>;
  readonly logDirs: Reading<readonly LogDirectory[]>;
  /** `min.insync.replicas` by topic; a topic that is not in it could not be read. */
  readonly minInsyncReplicas: Reading<ReadonlyMap<string, number>>;
  /** Why some of them could not be read, with Kafka's error; undefined if all could. */
  readonly minInsyncTrouble: string | undefined;
  /** Replicas in the log directories of topics that we may not see; undefined if there are none. */
  readonly hidden: Hidden | undefined;
  /** Partitions, such as `orders-3`, to which a reassignment is adding this broker. */
  readonly adding: ReadonlySet<string>;
  /** How much longer than the deadline our own timer took, because we had too little CPU. */
  readonly lagMs: number;
};
