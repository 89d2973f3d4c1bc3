/**
 * Asks the other brokers for a sign of life while the local one is silent, over connections that are opened
 * for the first question and closed when the silence is over.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import type { BrokerAddress, KafkaSettings } from "../../../shared/kafka/settings.ts";
import { openRenewableConnection, type RenewableConnection } from "../read/connection.ts";
import { openPing } from "../read/ping.ts";
import type { RoundClock } from "../read/round-clock.ts";
import type { ListenerAnswer, Peers } from "../snapshot.ts";

/** Enough to distinguish most from few, even in a cluster of hundreds. */
const ASKED_MAX = 8;

export type PeerCensus = {
  /** Resolves when all have answered, at the latest when the round is over. */
  readonly count: (clock: RoundClock) => Promise<Peers>;
  /** Closes the connections; the next count opens new ones. */
  readonly rest: () => void;
};

export type PeerOptions = {
  /** Where the sample begins, so that not every sidecar asks the same brokers. */
  readonly brokerId: number;
  readonly others: readonly BrokerAddress[];
  /** One of them may be this broker, under a name that we do not know. */
  readonly isSelfAmong: boolean;
  /** Settings for each, so that TLS verifies its own name. */
  readonly settings: KafkaSettings;
  readonly credentials: () => string;
  readonly log: KafkaLog;
  readonly clock: Clock;
};

export function openPeers({ brokerId, others, isSelfAmong, ...options }: PeerOptions): PeerCensus {
  const from = others.length === 0 ? 0 : brokerId % others.length;
  const sample = [...others.slice(from), ...others.slice(0, from)].slice(0, ASKED_MAX);
  const connections: readonly RenewableConnection[] = sample.map((address) =>
    openRenewableConnection({ ...options, address }),
  );
  const pings = connections.map(openPing);
  return {
    count: async (clock) => {
      const lives = await Promise.all(pings.map((each) => each.seek(clock)));
      const answers = lives.map(({ answer }) => answer);
      return countPeers(answers, others.length, isSelfAmong);
    },
    rest: () => {
      for (const each of connections) each.drop("not needed any more");
    },
  };
}

/** Pure. If this broker may be among those asked, it counts as silent: otherwise none would have been asked. */
export function countPeers(
  answers: readonly ListenerAnswer[],
  listed: number,
  isSelfAmong: boolean,
): Peers {
  const lives = answers.map(lifeOf);
  const count = (wanted: Life) => lives.filter((life) => life === wanted).length;
  const [answered, silent, untaken] = [count("answered"), count("silent"), count("untaken")];
  const own = isSelfAmong ? 1 : 0;
  const ownSilent = Math.min(own, silent);
  const ownUntaken = Math.min(own - ownSilent, untaken);
  return {
    known: Math.max(0, listed - own),
    asked: answered + silent + untaken - ownSilent - ownUntaken,
    answered,
    untaken: untaken - ownUntaken,
  };
}

type Life = "answered" | "silent" | "untaken" | "unasked";

function lifeOf(answer: ListenerAnswer): Life {
  switch (answer.kind) {
    case "answered":
    case "throttled":
    case "refused-us":
      return "answered";
    case "closed":
      return "silent";
    case "silent":
      return answer.connected ? "silent" : "untaken";
    case "cut":
    case "not-asked":
      return "unasked";
  }
}
