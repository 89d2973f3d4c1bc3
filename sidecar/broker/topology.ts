/**
 * Which broker this is, and where the others are: the original's rules, applied to the variables that
 * Control Plane sets. Pure: names in, names out; nothing is resolved here.
 */
import type { Problem } from "../../shared/config/table.ts";
import {
  addressText,
  type BrokerAddress,
  parseBrokerAddress,
} from "../../shared/kafka/settings.ts";
import { err, ok, type Result } from "../../shared/result.ts";

const LOOPBACK = "127.0.0.1";
/** The largest possible `node.id`: an int32. */
export const BROKER_ID_MAX = 2 ** 31 - 1;

/** The given variables, without empty values. */
export type Given = {
  readonly replicaCount: number;
  readonly kafkaPort: number;
  /** KAFKA_PORT was set: it is not our default. */
  readonly isPortGiven: boolean;
  readonly brokerId: number | undefined;
  readonly hostname: string | undefined;
  readonly workload: string | undefined;
  readonly location: string | undefined;
  readonly gvc: string | undefined;
  /** Selects the headless form of names; `CPLN_GVC_ALIAS` alone does not. */
  readonly gvcAlias: string | undefined;
  readonly bootstrapServers: readonly string[] | undefined;
  readonly localBroker: BrokerAddress | undefined;
};

export type Topology = {
  readonly brokerId: number;
  /** The broker that is asked first, and about itself. */
  readonly local: BrokerAddress;
  /** The name of this replica, which is in the local broker's certificate; undefined: not known. */
  readonly replicaName: string | undefined;
  /** The other replicas, `host:port`: asked only for what the local broker does not know. */
  readonly others: readonly string[];
  /** Whether one of the others may be this broker itself, under a name that we do not know. */
  readonly isSelfAmong: boolean;
  /** How the others were found, or why they were not. */
  readonly how: string;
};

export function discover(given: Given): Result<Topology, Problem> {
  const brokerId = brokerIdOf(given);
  if (!brokerId.ok) return brokerId;
  const local = given.localBroker ?? ownEntry(given, brokerId.value) ?? loopbackOf(given);
  return ok({ brokerId: brokerId.value, local, ...replicasOf(given, brokerId.value, local) });
}

const loopbackOf = ({ kafkaPort }: Given): BrokerAddress => ({ host: LOOPBACK, port: kafkaPort });

/**
 * This broker's entry in BOOTSTRAP_SERVERS, by the original's rules: by its name, else the only one on this
 * machine. If all are on this machine, they are in the order of the replicas.
 */
function ownEntry(given: Given, brokerId: number): BrokerAddress | undefined {
  const { bootstrapServers, isPortGiven } = given;
  if (bootstrapServers === undefined || isPortGiven) return undefined;
  const name = ownName(bootstrapServers, given, brokerId);
  const named = bootstrapServers.find((server) => hostOf(server) === name);
  const here = bootstrapServers.filter((server) => HERE.test(hostOf(server)));
  const isAllHere = here.length === bootstrapServers.length;
  const onlyHere = isAllHere ? here[replicaOf(given, brokerId)] : undefined;
  const own = named ?? (here.length === 1 ? here[0] : onlyHere);
  return own === undefined ? undefined : parseBrokerAddress(own);
}

/** Host names that can only mean this machine (or pod). */
const HERE = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/u;

export function brokerIdOf({
  brokerId,
  hostname,
}: Pick<Given, "brokerId" | "hostname">): Result<number, Problem> {
  const id = brokerId ?? ordinalOf(hostname);
  return id === undefined ? err(noBrokerId(hostname)) : ok(id);
}

/** `kafka-2` is 2, and so is `kafka-2.kafka.ns.svc`: the number after the last dash of the first label. */
export function ordinalOf(hostname: string | undefined): number | undefined {
  const digits = /-(\d{1,10})$/u.exec(firstLabel(hostname ?? ""))?.[1];
  const id = digits === undefined ? undefined : Number(digits);
  return id === undefined || id > BROKER_ID_MAX ? undefined : id;
}

const firstLabel = (host: string): string => host.split(".")[0] ?? "";

/**
 * Which replica this is. Broker ids may differ from replica numbers (BROKER_ID=101 on kafka-1), so the host
 * name counts first, unless it belongs to something else and the id could be a replica's number.
 */
function replicaOf(given: Given, brokerId: number): number {
  const ordinal = ordinalOf(given.hostname);
  if (ordinal === undefined || given.brokerId === undefined) return brokerId;
  const replicas = Math.max(given.replicaCount, given.bootstrapServers?.length ?? 0);
  return workloadOrdinal(given) !== undefined || brokerId >= replicas ? ordinal : brokerId;
}

/** The number in our host name, if that belongs to the workload. */
function workloadOrdinal({ hostname, workload }: Given): number | undefined {
  const ordinal = ordinalOf(hostname);
  return firstLabel(hostname ?? "") === `${workload}-${ordinal}` ? ordinal : undefined;
}

/** `/org/o/gvc/g/workload/kafka` is `kafka`. */
export function workloadOf(link: string): string {
  const marker = "/workload/";
  const at = link.lastIndexOf(marker);
  return at < 0 ? link : (link.slice(at + marker.length).split("/")[0] ?? link);
}

/** `/org/o/location/aws-us-west-2` is `aws-us-west-2`. */
export const locationOf = (link: string): string => link.slice(link.lastIndexOf("/") + 1);

function noBrokerId(hostname: string | undefined): Problem {
  const seen = hostname === undefined ? "is not set" : `is ${JSON.stringify(hostname)}`;
  const rule = "the broker id is the number after its last dash, as in kafka-2";
  return { name: "BROKER_ID", message: `is required: HOSTNAME ${seen}, and ${rule}` };
}

type Replicas = Pick<Topology, "replicaName" | "others" | "isSelfAmong" | "how">;

function replicasOf(given: Given, brokerId: number, local: BrokerAddress): Replicas {
  const { bootstrapServers } = given;
  const naming = namingOf(given);
  const own = replicaOf(given, brokerId);
  if (bootstrapServers !== undefined) {
    const listed = ownName(bootstrapServers, given, brokerId);
    const built = naming.ok ? naming.value(own) : undefined;
    const isOwn = (server: string) =>
      [listed, built].includes(hostOf(server)) || isSameAddress(server, local);
    const others = [...new Set(bootstrapServers.filter((server) => !isOwn(server)))];
    const isSelfAmong = !bootstrapServers.some(isOwn);
    return { replicaName: listed ?? built, others, isSelfAmong, how: "BOOTSTRAP_SERVERS" };
  }
  if (!naming.ok) {
    return { replicaName: undefined, others: [], isSelfAmong: false, how: naming.error };
  }
  const name = naming.value;
  const others = Array.from({ length: given.replicaCount }, (_, replica) => replica)
    .filter((replica) => replica !== own)
    .map((replica) => addressText({ host: name(replica), port: given.kafkaPort }));
  const form = `${name("{i}")}:${given.kafkaPort}`;
  return {
    replicaName: name(own),
    others,
    isSelfAmong: false,
    how: `REPLICA_COUNT=${given.replicaCount} as ${form}`,
  };
}

type Naming = (replica: number | "{i}") => string;

/** The replicas' own names, or why they are not known. */
function namingOf({ workload, location, gvc, gvcAlias }: Given): Result<Naming, string> {
  if (gvcAlias !== undefined && workload !== undefined) {
    return ok((replica) => `${workload}-${replica}.${workload}.${gvcAlias}.svc.cluster.local`);
  }
  const missing = [
    ...(workload === undefined ? ["CPLN_WORKLOAD"] : []),
    ...(location === undefined && gvcAlias === undefined ? ["CPLN_LOCATION"] : []),
    ...(gvc === undefined && gvcAlias === undefined ? ["CPLN_GVC"] : []),
  ];
  if (missing.length > 0) {
    const names = missing.join(", ");
    const are = missing.length === 1 ? "is" : "are";
    return err(`only LOCAL_BROKER is asked: ${names} ${are} not set, nor BOOTSTRAP_SERVERS`);
  }
  return ok((replica) => `replica-${replica}.${workload}.${location}.${gvc}.cpln.local`);
}

/**
 * This broker's own entry in a list that a user wrote: the one whose first label is our host name; the
 * platform's name of our replica; or the only one whose first label ends with our id, as in a StatefulSet
 * (`kafka-2.kafka.ns.svc:9092`). If ids and replica numbers differ, an entry with the number of our replica
 * is as likely ours: if both entries exist, neither is chosen, since it may be a neighbour's.
 */
function ownName(servers: readonly string[], given: Given, brokerId: number): string | undefined {
  const hosts = servers.map(hostOf);
  const ownLabel = given.hostname === undefined ? undefined : firstLabel(given.hostname);
  const same = hosts.find((host) => firstLabel(host) === ownLabel);
  if (same !== undefined) return same;
  const naming = namingOf(given);
  const built = naming.ok ? naming.value(replicaOf(given, brokerId)) : undefined;
  if (built !== undefined && hosts.includes(built)) return built;
  const numbers = [brokerId, workloadOrdinal(given) ?? brokerId];
  const alike = hosts.filter((host) => numbers.some((number) => number === ordinalOf(host)));
  return alike.length === 1 ? alike[0] : undefined;
}

function isSameAddress(server: string, { host, port }: BrokerAddress): boolean {
  const address = parseBrokerAddress(server);
  return address?.host === host && address.port === port;
}

const hostOf = (server: string): string => parseBrokerAddress(server)?.host ?? server;
