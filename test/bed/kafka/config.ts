/** The settings of one broker of the bed, as Kafka's `server.properties`. */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { STORE_PASSWORD } from "../certificate.ts";

/** PLAINTEXT is for the bed itself and always there; SSL requires a client certificate. */
export type ListenerName = "PLAINTEXT" | "SASL_PLAINTEXT" | "SASL_SSL" | "SSL";

type Mechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

export type KafkaUser = {
  readonly name: string;
  readonly password: string;
  readonly mechanism: Mechanism;
};

/** By default broker and controller in one process; a broker-only node does not use its controller port. */
export type NodePorts = Readonly<Partial<Record<ListenerName, number>>> & {
  readonly controller: number;
  readonly role?: "broker" | "controller";
};

export type ClusterPlan = {
  readonly host: string;
  /** Where ZooKeeper listens; in KRaft mode there is none. */
  readonly zookeeper?: string;
  /** By node id. */
  readonly nodes: readonly NodePorts[];
  readonly listeners: readonly ListenerName[];
  readonly users: readonly KafkaUser[];
  readonly authorizer: boolean;
  /** For the listeners with TLS; PKCS 12, because Kafka 2.8 accepts no PEM key without a password. */
  readonly tls?: { readonly caFile: string; readonly storeFile: string };
  /** Set last, so they override everything here. */
  readonly properties: Readonly<Record<string, string>>;
};

const PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule";
/** The smallest value that Kafka accepts. */
export const SCRAM_ITERATIONS = 4096;
const AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
const ZOOKEEPER_AUTHORIZER = "kafka.security.authorizer.AclAuthorizer";
/** KRaft's default; ZooKeeper's 18 s would only make tests longer. */
const ZOOKEEPER_SESSION_MS = "9000";
const SCRAM_HASH = { 256: ["sha256", 32], 512: ["sha512", 64] } as const;
const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

export function brokerProperties(
  plan: ClusterPlan,
  id: number,
  logDirs: readonly string[],
): Record<string, string> {
  const count = String(plan.nodes.filter(({ role }) => role !== "controller").length);
  return {
    ...nodeProperties(plan, id, logDirs),
    ...(plan.zookeeper === undefined
      ? controllerProperties(plan, id)
      : zookeeperProperties(plan.zookeeper, plan.properties)),
    "auto.create.topics.enable": "false",
    "default.replication.factor": count,
    "offsets.topic.replication.factor": count,
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": count,
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": count,
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    // Compaction and retention act within about a second, once a topic's own settings allow it.
    "log.cleaner.backoff.ms": "250",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "1000",
    "log.segment.delete.delay.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    ...saslProperties(plan),
    ...tlsProperties(plan),
    ...(plan.authorizer
      ? {
          "authorizer.class.name": plan.zookeeper === undefined ? AUTHORIZER : ZOOKEEPER_AUTHORIZER,
          "super.users": "User:ANONYMOUS",
        }
      : {}),
    ...plan.properties,
  };
}

function nodeProperties(
  { host, nodes, listeners, zookeeper }: ClusterPlan,
  id: number,
  logDirs: readonly string[],
): Record<string, string> {
  const own = nodes[id];
  if (own === undefined) throw new Error(`no node ${id} in a plan of ${nodes.length}`);
  const addresses =
    own.role === "controller" ? [] : listeners.map((name) => `${name}://${host}:${own[name]}`);
  const hasController = zookeeper === undefined && own.role !== "broker";
  const controller = hasController ? [`CONTROLLER://${host}:${own.controller}`] : [];
  return {
    listeners: [...addresses, ...controller].join(","),
    ...(own.role === "controller"
      ? {}
      : {
          "inter.broker.listener.name": "PLAINTEXT",
          "advertised.listeners": addresses.join(","),
        }),
    "listener.security.protocol.map": ["CONTROLLER", ...listeners]
      .map((name) => `${name}:${name === "CONTROLLER" ? "PLAINTEXT" : name}`)
      .join(","),
    "log.dirs": logDirs.join(","),
    ...(zookeeper === undefined ? { "node.id": String(id) } : { "broker.id": String(id) }),
  };
}

/** The settings of a node in KRaft mode. */
function controllerProperties({ host, nodes }: ClusterPlan, id: number): Record<string, string> {
  return {
    "process.roles": nodes[id]?.role ?? "broker,controller",
    "controller.quorum.voters": nodes
      .flatMap(({ role, controller: port }, voter) =>
        role === "broker" ? [] : [`${voter}@${host}:${port}`],
      )
      .join(","),
    "controller.listener.names": "CONTROLLER",
  };
}

/** A dead broker is noticed as quickly as in KRaft mode. */
function zookeeperProperties(
  address: string,
  properties: ClusterPlan["properties"],
): Record<string, string> {
  const sessionMs = properties["broker.session.timeout.ms"] ?? ZOOKEEPER_SESSION_MS;
  return { "zookeeper.connect": address, "zookeeper.session.timeout.ms": sessionMs };
}

function saslProperties({ listeners, users }: ClusterPlan): Record<string, string> {
  const listing: Record<string, string> = {};
  for (const listener of listeners.filter((name) => name.startsWith("SASL_"))) {
    const prefix = `listener.name.${listener.toLowerCase()}`;
    listing[`${prefix}.sasl.enabled.mechanisms`] = MECHANISMS.join(",");
    for (const mechanism of MECHANISMS) {
      listing[`${prefix}.${mechanism.toLowerCase()}.sasl.jaas.config`] = serverJaas(
        mechanism,
        users,
      );
    }
  }
  return listing;
}

/** PLAIN users are in the JAAS line; SCRAM users are written into the metadata when it is formatted. */
function serverJaas(mechanism: Mechanism, users: readonly KafkaUser[]): string {
  if (mechanism !== "PLAIN") return `${SCRAM_MODULE} required;`;
  const known = users
    .filter((user) => user.mechanism === "PLAIN")
    .map((user) => ` user_${user.name}=${quoted(user.password)}`);
  return `${PLAIN_MODULE} required${known.join("")};`;
}

function tlsProperties({ listeners, tls }: ClusterPlan): Record<string, string> {
  if (tls === undefined) return {};
  const listing: Record<string, string> = {
    "ssl.keystore.type": "PKCS12",
    "ssl.keystore.location": tls.storeFile,
    "ssl.keystore.password": STORE_PASSWORD,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": tls.caFile,
  };
  if (listeners.includes("SSL")) listing["listener.name.ssl.ssl.client.auth"] = "required";
  return listing;
}

export type ClientIdentity = {
  readonly listener: ListenerName;
  readonly user?: KafkaUser;
  readonly caFile?: string;
  readonly pemFile?: string;
};

/** What a Java client needs to connect to a listener. */
export function clientProperties({
  listener,
  user,
  caFile,
  pemFile,
}: ClientIdentity): Record<string, string> {
  const listing: Record<string, string> = { "security.protocol": listener };
  if (user !== undefined) {
    const module = user.mechanism === "PLAIN" ? PLAIN_MODULE : SCRAM_MODULE;
    listing["sasl.mechanism"] = user.mechanism;
    listing["sasl.jaas.config"] =
      `${module} required username=${quoted(user.name)} password=${quoted(user.password)};`;
  }
  if (caFile !== undefined) {
    listing["ssl.truststore.type"] = "PEM";
    listing["ssl.truststore.location"] = caFile;
  }
  if (pemFile !== undefined) {
    listing["ssl.keystore.type"] = "PEM";
    listing["ssl.keystore.location"] = pemFile;
  }
  return listing;
}

/**
 * The arguments of `StorageTool format` that put the SCRAM users into the first metadata. Salted here,
 * because the tool's own parser accepts no password with commas or brackets.
 */
export function scramArguments(users: readonly KafkaUser[]): readonly string[] {
  return users
    .filter((user) => user.mechanism !== "PLAIN")
    .flatMap((user) => ["-S", scramArgument(user)]);
}

function scramArgument({ name, password, mechanism }: KafkaUser): string {
  const salt = randomBytes(16);
  const [hash, bytes] = SCRAM_HASH[mechanism === "SCRAM-SHA-256" ? 256 : 512];
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, bytes, hash);
  const secret = `salt="${salt.toString("base64")}",saltedpassword="${salted.toString("base64")}"`;
  return `${mechanism}=[name=${name},iterations=${SCRAM_ITERATIONS},${secret}]`;
}

/** A Java properties file. */
export function propertiesText(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`)
    .join("");
}

/** A value in a JAAS line. */
function quoted(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
