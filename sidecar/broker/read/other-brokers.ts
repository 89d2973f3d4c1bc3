/**
 * Asks the other brokers for what the local one does not know, or when it is cut off. A broker that
 * answered is asked first the next time; a name that does not resolve is skipped and logged.
 */
import { type Call, startDeadline, withDeadline } from "../../../shared/deadline.ts";
import { type ClusterMetadata, metadataRequest } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import { openConnectionPool } from "../../../shared/kafka/connection/pool.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import {
  type BrokerAddress,
  type KafkaSettings,
  parseBrokerAddress,
} from "../../../shared/kafka/settings.ts";
import { err, type Result } from "../../../shared/result.ts";

const NAME_CHECK_MS_MAX = 5000;

type ListenerAnswer<T> = Promise<Result<T, KafkaError>>;

export type OtherBrokers = {
  /** Whether there are other brokers. */
  readonly some: boolean;
  readonly metadata: (call: Call) => ListenerAnswer<ClusterMetadata>;
  readonly ask: <T>(
    address: BrokerAddress,
    request: KafkaRequest<T>,
    call: Call,
  ) => ListenerAnswer<T>;
  /** Asks one after the other until an answer is usable; returns the first answer if none is. */
  readonly askAny: <T>(
    request: KafkaRequest<T>,
    call: Call,
    serves?: (answer: T) => boolean,
  ) => ListenerAnswer<T>;
  /** Resolves all names again; logs what has changed. */
  readonly checkNames: () => Promise<void>;
  /** Names that did not resolve the last time. */
  readonly unresolved: () => readonly string[];
  readonly close: () => void;
};

export type OtherBrokersOptions = {
  readonly others: readonly string[];
  /** Settings for each, so that TLS verifies its own name. */
  readonly settings: KafkaSettings;
  /** Rejects when the name has no address. */
  readonly resolve: (host: string) => Promise<unknown>;
  readonly log: KafkaLog;
};

export function openOtherBrokers({
  others,
  settings,
  resolve,
  log,
}: OtherBrokersOptions): OtherBrokers {
  const links = openConnectionPool(settings, log);
  const addresses = others.flatMap((other) => parseBrokerAddress(other) ?? []);
  let order: readonly BrokerAddress[] = addresses;
  let unresolved: ReadonlySet<string> = new Set();

  const inTurn = (): readonly BrokerAddress[] => [
    ...order.filter(({ host }) => !unresolved.has(host)),
    ...order.filter(({ host }) => unresolved.has(host)),
  ];

  const askAny = async <T>(
    request: KafkaRequest<T>,
    call: Call,
    serves: (answer: T) => boolean = () => true,
  ): ListenerAnswer<T> => {
    const deadline = startDeadline(call);
    let first: Result<T, KafkaError> | undefined;
    const asked = inTurn();
    for (const [index, address] of asked.entries()) {
      if (first !== undefined && deadline.over()) break;
      const shareMs = deadline.leftMs() / (asked.length - index);
      const answer = await links.send(address, request, deadline.call(shareMs));
      first ??= answer;
      if (!answer.ok || !serves(answer.value)) continue;
      order = [address, ...addresses.filter((other) => other !== address)];
      return answer;
    }
    return first ?? err(nobody());
  };

  const checkNames = async () => {
    const hosts = [...new Set(addresses.map(({ host }) => host))];
    const checked = await Promise.all(
      hosts.map(async (host) => [host, await isName(host)] as const),
    );
    const now = new Set(checked.filter(([, known]) => !known).map(([host]) => host));
    const lost = [...now].filter((host) => !unresolved.has(host));
    const found = [...unresolved].filter((host) => !now.has(host));
    unresolved = now;
    if (lost.length > 0) log("warn", "replicas whose names do not resolve are skipped", { lost });
    if (found.length > 0) log("info", "replicas whose names resolve again", { found });
  };

  const isName = (host: string): Promise<boolean> =>
    withDeadline(resolve(host), NAME_CHECK_MS_MAX, `resolve ${host}`).then(
      () => true,
      () => false,
    );

  return {
    some: addresses.length > 0,
    metadata: (call) => askAny(metadataRequest("all"), call),
    ask: links.send,
    askAny,
    checkNames,
    unresolved: () => [...unresolved],
    close: links.close,
  };
}

const nobody = (): KafkaError => ({
  code: "unreachable",
  retry: "terminal",
  detail: "no other broker is known",
});
