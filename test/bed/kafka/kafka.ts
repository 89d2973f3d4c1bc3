/** A real Apache Kafka for tests, gone with the test process at the latest. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Authority, type Certificate, createAuthority } from "../certificate.ts";
import { keepDirectory, reapDirectory } from "../reaper.ts";
import { type Broker, PortTaken } from "./broker.ts";
import { ensureSharedClasses, sharedClasses } from "./class-archive.ts";
import {
  type ClusterPlan,
  clientProperties,
  type KafkaUser,
  type ListenerName,
  propertiesText,
} from "./config.ts";
import { newId } from "./format.ts";
import { ensureJars, ensureTools } from "./jars.ts";
import { choosePorts } from "./ports.ts";
import { addScramUsers, clusterIdOf, formatAgain, prepareBroker } from "./prepare.ts";
import { createTools, type KafkaTools } from "./tools.ts";
import { type KafkaChoice, type KafkaMode, kafkaChoice, wantedKafka } from "./version.ts";
import { startZooKeeper, type ZooKeeper } from "./zookeeper.ts";

const START_ATTEMPTS_MAX = 3;
const LOOPBACK = "127.0.0.1";

export type KafkaOptions = {
  /** Such as `3.9.2` or `2.8.2-zookeeper`; by default what BED_KAFKA says, else the newest. */
  readonly kafka?: string;
  /**
   * The IPv4 address to bind and to advertise; by default loopback. Others only in a box (test/bed/box/),
   * where containers and pods reach it: the gateway of their network, or the node's address.
   */
  readonly host?: string;
  readonly brokers?: 1 | 2 | 3;
  /**
   * This many controller-only nodes, with ids after the brokers'; the brokers are then broker-only. With
   * ZooKeeper there are none.
   */
  readonly controllers?: 1 | 3;
  /** Besides PLAINTEXT, which the bed itself uses. */
  readonly listeners?: readonly Exclude<ListenerName, "PLAINTEXT">[];
  /** Users of the SASL listeners. One name may have several mechanisms. */
  readonly users?: readonly KafkaUser[];
  /** The server certificate's names, as `DNS:…` and `IP:…`; by default localhost, 127.0.0.1, `host`. */
  readonly serverNames?: readonly string[];
  /** More broker settings; they override the bed's own. */
  readonly properties?: Readonly<Record<string, string>>;
  /** StandardAuthorizer: all but PLAINTEXT clients need ACLs (`tools.allow`). */
  readonly authorizer?: boolean;
  readonly heap?: string;
};

type BedCertificates = {
  readonly caFile: string;
  readonly server: Certificate;
  /** Kafka knows its holder as `User:CN=outrider-client`. */
  readonly client: Certificate;
  /** A certificate of the same authority, valid until yesterday. Made at the first call. */
  readonly expiredClient: () => Promise<Certificate>;
  readonly authority: Authority;
};

type Identity = {
  readonly listener: ListenerName;
  readonly user?: KafkaUser;
  /** For the SSL listener; by default the good client certificate. */
  readonly certificate?: Certificate;
};

export type KafkaBed = {
  readonly mode: KafkaMode;
  /** PLAINTEXT addresses, comma-joined. */
  readonly bootstrap: string;
  readonly bootstrapOf: (listener: ListenerName) => string;
  readonly clusterId: string;
  readonly brokers: readonly Broker[];
  /** The controller-only nodes. */
  readonly controllers: readonly Broker[];
  /** A node of either kind. */
  readonly broker: (id: number) => Broker;
  readonly users: readonly KafkaUser[];
  /** @throws Error when no listener has TLS. */
  readonly certificates: BedCertificates;
  /** The Java tools over PLAINTEXT; they are super user if there is an authorizer. */
  readonly tools: KafkaTools;
  /** The Java tools as someone else. */
  readonly toolsAs: (identity: Identity) => Promise<KafkaTools>;
  readonly dir: string;
  readonly logTail: (lines?: number) => Promise<string>;
  /** Replaces the cluster by another, empty one at the same addresses (only KRaft). */
  readonly rebuild: () => Promise<{ readonly clusterId: string }>;
  /** Kills all brokers and deletes all files, or says on stderr where they are kept. */
  readonly stop: (options?: { readonly keepLogs?: boolean }) => Promise<void>;
};

/** Starts a cluster and waits until every broker serves. @throws BedUnavailable */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaBed> {
  const choice = options.kafka === undefined ? wantedKafka() : kafkaChoice(options.kafka);
  const libs = await ensureJars(choice.version);
  await ensureSharedClasses(libs, async (flags) => {
    const bed = await startOnce(choice, {}, { libs, flags });
    await Promise.all(bed.brokers.map((each) => each.stop()));
    await bed.stop();
  });
  const java = { libs, flags: sharedClasses(libs) };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(choice, options, java);
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === START_ATTEMPTS_MAX) throw error;
    }
  }
}

type BrokerJava = { readonly libs: string; readonly flags: readonly string[] };

async function startOnce(
  { mode }: KafkaChoice,
  options: KafkaOptions,
  { libs, flags: own }: BrokerJava,
): Promise<KafkaBed> {
  const toolLibs = await ensureTools();
  const dir = await mkdtemp(join(tmpdir(), "outrider-kafka-"));
  reapDirectory(dir);
  const nodes: Broker[] = [];
  let zookeeper: ZooKeeper | undefined;
  const end = async () => {
    await Promise.all(nodes.filter((each) => each.running).map((each) => each.kill("SIGKILL")));
    await zookeeper?.stop();
  };
  const remove = async () => {
    await end();
    await rm(dir, { recursive: true, force: true });
    keepDirectory(dir);
  };
  try {
    const listeners = ["PLAINTEXT", ...(options.listeners ?? [])] as const;
    const usesTls = listeners.some((name) => name.endsWith("SSL"));
    const host = options.host ?? LOOPBACK;
    const serverNames = options.serverNames ?? serverNamesOf(host);
    const certificates = usesTls ? await makeCertificates(dir, serverNames) : undefined;
    if (mode === "zookeeper") zookeeper = await startZooKeeper(libs, dir, host);
    const plan: ClusterPlan = {
      host,
      ...(zookeeper === undefined ? {} : { zookeeper: zookeeper.address }),
      nodes: await choosePorts({ ...options, mode, listeners, host }),
      listeners,
      users: options.users ?? [],
      authorizer: options.authorizer ?? false,
      ...(certificates === undefined
        ? {}
        : { tls: { caFile: certificates.caFile, storeFile: certificates.server.storeFile } }),
      properties: options.properties ?? {},
    };
    const clusterId = newId();
    const flags = [`-Xmx${options.heap ?? "512m"}`, ...own];
    nodes.push(
      ...(await Promise.all(
        plan.nodes.map((_, id) => prepareBroker({ libs, dir, plan, id, clusterId, flags })),
      )),
    );
    await allStarted(nodes);
    const rebuild = async () => {
      const next = newId();
      await formatAgain(nodes, { libs, plan }, next);
      await allStarted(nodes);
      return { clusterId: next };
    };
    const bed = { libs: toolLibs, dir, plan, nodes, certificates, rebuild, end, remove };
    const [first] = nodes;
    if (zookeeper === undefined || first === undefined) return createBed({ ...bed, clusterId });
    const made = createBed({ ...bed, clusterId: await clusterIdOf(first) });
    await addScramUsers(made.tools, plan);
    return made;
  } catch (error) {
    await remove();
    throw error;
  }
}

const serverNamesOf = (host: string): readonly string[] => [
  "DNS:localhost",
  ...new Set([`IP:${LOOPBACK}`, `IP:${host}`]),
];

/** Waits for all, even when one fails, so that a taken port is reported before its consequences. */
async function allStarted(brokers: readonly Broker[]): Promise<void> {
  const starts = brokers.map((each) => each.start());
  await Promise.all(starts);
}

async function makeCertificates(
  dir: string,
  serverNames: readonly string[],
): Promise<BedCertificates> {
  const authority = await createAuthority(join(dir, "certificates"));
  const [server, client] = await Promise.all([
    authority.issue({
      name: "server",
      commonName: "outrider-kafka",
      usage: "server",
      subjectAltNames: serverNames,
    }),
    authority.issue({ name: "client", commonName: "outrider-client", usage: "client" }),
  ]);
  let expired: Promise<Certificate> | undefined;
  return {
    caFile: authority.caFile,
    server,
    client,
    authority,
    expiredClient: () => {
      expired ??= authority.issue({
        name: "expired-client",
        commonName: "outrider-client",
        usage: "client",
        expired: true,
      });
      return expired;
    },
  };
}

function createBed({
  libs,
  dir,
  plan,
  clusterId,
  nodes,
  certificates,
  rebuild,
  end,
  remove,
}: {
  readonly libs: string;
  readonly dir: string;
  readonly plan: ClusterPlan;
  readonly clusterId: string;
  readonly nodes: readonly Broker[];
  readonly certificates: BedCertificates | undefined;
  readonly rebuild: KafkaBed["rebuild"];
  /** Kills every process. */
  readonly end: () => Promise<void>;
  readonly remove: () => Promise<void>;
}): KafkaBed {
  const isController = ({ id }: Broker) => plan.nodes[id]?.role === "controller";
  const brokers = nodes.filter((each) => !isController(each));
  const bootstrapOf = (listener: ListenerName) =>
    brokers.map((each) => `${plan.host}:${each.portOf(listener)}`).join(",");
  const toolsAs = async ({ listener, user, certificate = certificates?.client }: Identity) => {
    const file = join(dir, `client-${crypto.randomUUID()}.properties`);
    const identity = clientProperties({
      listener,
      ...(user === undefined ? {} : { user }),
      ...(listener.endsWith("SSL") && certificates ? { caFile: certificates.caFile } : {}),
      ...(listener === "SSL" && certificate ? { pemFile: certificate.pemFile } : {}),
    });
    await Bun.write(file, propertiesText(identity), { mode: 0o600 });
    return createTools({ libs, bootstrap: bootstrapOf(listener), clientConfig: file });
  };
  const logTail = async (lines?: number) => {
    const tails = await Promise.all(nodes.map((each) => each.logTail(lines)));
    return tails.map((tail, id) => `--- broker ${id}\n${tail}`).join("\n");
  };
  return {
    mode: plan.zookeeper === undefined ? "kraft" : "zookeeper",
    bootstrap: bootstrapOf("PLAINTEXT"),
    bootstrapOf,
    clusterId,
    brokers,
    controllers: nodes.filter(isController),
    broker: (id) => {
      const found = nodes[id];
      if (found === undefined) throw new Error(`no broker ${id} of ${nodes.length}`);
      return found;
    },
    users: plan.users,
    get certificates() {
      if (certificates === undefined) throw new Error("no listener of this bed has TLS");
      return certificates;
    },
    tools: createTools({ libs, bootstrap: bootstrapOf("PLAINTEXT") }),
    toolsAs,
    dir,
    logTail,
    rebuild,
    stop: async ({ keepLogs = false } = {}) => {
      if (!keepLogs) return remove();
      await end();
      keepDirectory(dir);
      process.stderr.write(`kafka bed: kept ${dir}\n`);
    },
  };
}
