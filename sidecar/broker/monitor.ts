/**
 * Puts the parts that observe Kafka together for one configuration: readers, checks and rounds. `sidecar
 * broker` serves their results; the exec probes run a single round.
 */

import type { Clock } from "../../shared/clock.ts";
import { connectionSettings } from "../../shared/config/kafka.ts";
import type { KafkaLog } from "../../shared/kafka/log.ts";
import { type KafkaSettings, parseBrokerAddress } from "../../shared/kafka/settings.ts";
import type { Files } from "../../shared/linux/kernel-files.ts";
import type { Log } from "../../shared/log.ts";
import type { CheckSettings } from "./check/check.ts";
import { type EvaluatedRound, evaluate } from "./check/evaluate.ts";
import type { BrokerConfig } from "./config.ts";
import { openOutageWatch } from "./outage/outage.ts";
import { openPeers } from "./outage/peers.ts";
import { type Readings, STALE_ROUNDS } from "./probe/status.ts";
import { type KafkaFinder, openKafkaFinder } from "./process/finder.ts";
import { credentialsOf } from "./read/credentials.ts";
import { openLocalBroker } from "./read/local-broker.ts";
import { type OtherBrokers, openOtherBrokers } from "./read/other-brokers.ts";
import { openSnapshots } from "./round/collect.ts";
import { openRounds, type Rounds } from "./round/rounds.ts";
import type { BrokerSnapshot } from "./snapshot.ts";

export type MonitorOptions = {
  readonly config: BrokerConfig & CheckSettings;
  readonly clientId: string;
  readonly files: Files;
  readonly ownPid: number;
  readonly ownAgeMs: () => number;
  /** Rejects when the name has no address. */
  readonly resolve: (host: string) => Promise<unknown>;
  readonly log: Log;
  readonly clock: Clock;
  readonly onRound: (round: EvaluatedRound, snapshot: BrokerSnapshot) => void;
};

export type Monitor = {
  readonly rounds: Rounds;
  readonly readings: Readings;
  readonly cluster: OtherBrokers;
  readonly finder: KafkaFinder;
  readonly close: () => void;
};

export function openMonitor(options: MonitorOptions): Monitor {
  const { config, files, log, clock } = options;
  const { topology, probeIntervalMs } = config;
  const settings = connectionSettings(config, options.clientId, []);
  const kafkaLog: KafkaLog = (level, message, fields) => log[level](message, fields);
  const deadlineMs = Math.min(config.checkTimeoutMs, probeIntervalMs);
  const { resolve, ownPid, ownAgeMs } = options;
  const ofOthers = { settings: othersSettings(settings), log: kafkaLog };
  const cluster = openOtherBrokers({ ...ofOthers, others: topology.others, resolve });
  const credentials = credentialsOf(settings);
  const peers = openPeers({
    ...ofOthers,
    ...{ brokerId: topology.brokerId, isSelfAmong: topology.isSelfAmong, credentials, clock },
    others: topology.others.flatMap((other) => parseBrokerAddress(other) ?? []),
  });
  const local = openLocalBroker({
    brokerId: topology.brokerId,
    address: topology.local,
    settings: localSettings(settings, topology.replicaName),
    credentials,
    askOther: (address, request, ms) => cluster.ask(address, request, { deadlineMs: ms }),
    askAny: (request, ms, serves) => cluster.askAny(request, { deadlineMs: ms }, serves),
    log: kafkaLog,
    clock,
  });
  const finder = openKafkaFinder({ files, local: topology.local, ownPid, ownAgeMs });
  const { brokerId } = topology;
  const snapshots = openSnapshots({
    ...{ brokerId, deadlineMs, local, cluster, finder, clock },
    silence: openOutageWatch({ peers, clock }),
  });
  const rounds = openRounds({
    intervalMs: probeIntervalMs,
    take: snapshots.take,
    evaluate: (snapshot, before) => evaluate(snapshot, config, before),
    clock,
    onRound: options.onRound,
    onDefect: (cause) => log.error("a defect: a round of checks failed", { error: cause }),
  });
  return {
    rounds,
    readings: readingsOf(config, rounds, clock),
    cluster,
    finder,
    close: () => {
      local.close();
      peers.rest();
      cluster.close();
    },
  };
}

const readingsOf = (config: BrokerConfig, rounds: Rounds, clock: Clock): Readings => ({
  brokerId: config.topology.brokerId,
  latest: rounds.latest,
  misconfigured: undefined,
  staleAfterMs: STALE_ROUNDS * config.probeIntervalMs,
  gates: config,
  clock,
});

/**
 * We connect to the local broker under another name than its own, so TLS needs its real one.
 * TLS_SERVER_NAME, if given, is already set.
 */
function localSettings(settings: KafkaSettings, replicaName: string | undefined): KafkaSettings {
  const { tls } = settings;
  if (tls === undefined || tls.serverName !== undefined || replicaName === undefined) {
    return settings;
  }
  return { ...settings, tls: { ...tls, serverName: replicaName } };
}

/** TLS_SERVER_NAME is the local broker's; the others have their own. */
function othersSettings(settings: KafkaSettings): KafkaSettings {
  if (settings.tls === undefined) return settings;
  const { serverName: _ours, ...tls } = settings.tls;
  return { ...settings, tls };
}
