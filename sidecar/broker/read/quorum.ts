/**
 * The metadata quorum as this node sees it. A broker forwards DescribeQuorum to the active controller, and
 * does not answer while there is none (measured on 4.1.1: for more than a minute, without an error). A
 * controller-only node answers only while it leads; otherwise DescribeCluster says who leads (KIP-919, from
 * Kafka 3.7 and its metadata.version). If it cannot say, a broker is asked, which forwards the question.
 */

import type { Clock } from "../../../shared/clock.ts";
import {
  type Controllers,
  controllersRequest,
} from "../../../shared/kafka/api/describe-cluster.ts";
import {
  type DescribedQuorum,
  type Quorum,
  quorumRequest,
} from "../../../shared/kafka/api/describe-quorum.ts";
import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import { type KafkaError, protocolError } from "../../../shared/kafka/error.ts";
import { kafkaCode } from "../../../shared/kafka/error-code.ts";
import type { BrokerAddress } from "../../../shared/kafka/settings.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { Reading, SeenQuorum } from "../snapshot.ts";
import type { RenewableConnection } from "./connection.ts";
import { lostMajority, openMajorityWatch, resigns } from "./quorum-majority.ts";
import { lateError, readingOf, readWithin, unlessError } from "./reading.ts";
import type { RoundClock } from "./round-clock.ts";
import { openSingleFlight } from "./single-flight.ts";
import { unmuted } from "./unmuted.ts";

/**
 * A broker that has not answered this question for so long, while it answers others, has no controller to
 * forward it to. An election takes less.
 */
const LEADERLESS_AFTER_MS = 1000;
/** How often to ask again after a missing permission: Kafka logs each refusal with a stack. */
const REFUSED_MS = 15_000;
/**
 * Shares of the remaining time: for the leader, then for brokers; the rest is for reporting that neither
 * answered.
 */
const LEADER_SHARE = 0.5;
const BROKER_SHARE = 0.8;
const NONE = -1;
const PERMISSION = "DESCRIBE on the cluster";

export type QuorumReader = {
  readonly ofBroker: (clock: RoundClock) => Promise<Reading<SeenQuorum>>;
  readonly ofController: (clock: RoundClock) => Promise<Reading<SeenQuorum>>;
};

export type QuorumReaderOptions = {
  readonly connection: RenewableConnection;
  readonly clock: Clock;
  /** Asks another controller, within this time. */
  readonly askOther: <T>(
    address: BrokerAddress,
    request: KafkaRequest<T>,
    deadlineMs: number,
  ) => Promise<Result<T, KafkaError>>;
  /** Asks the known brokers one after the other until an answer is usable; returns the first answer if none is. */
  readonly askAny: <T>(
    request: KafkaRequest<T>,
    deadlineMs: number,
    serves: (answer: T) => boolean,
  ) => Promise<Result<T, KafkaError>>;
};

export function openQuorumReader(options: QuorumReaderOptions): QuorumReader {
  const { connection } = options;
  const { monotonicMs } = options.clock;
  const question = openSingleFlight({
    ...{ connection: unmuted(connection), request: quorumRequest, clock: options.clock },
  });
  const evaluate = evaluator(openMajorityWatch(monotonicMs));
  let last: Quorum | undefined;
  let refusal: { readonly reading: Reading<SeenQuorum>; readonly atMs: number } | undefined;
  const remember = (reading: Reading<SeenQuorum>): Reading<SeenQuorum> => {
    if (reading.kind === "read" && reading.value.leaderId !== NONE) last = reading.value;
    refusal = isRefusal(reading) ? { reading, atMs: monotonicMs() } : undefined;
    return reading;
  };

  /** While the last refusal is recent, the reading is that refusal. */
  const unlessRefused =
    (read: QuorumReader["ofBroker"]): QuorumReader["ofBroker"] =>
    async (clock) =>
      refusal !== undefined && monotonicMs() - refusal.atMs < REFUSED_MS
        ? refusal.reading
        : await read(clock);

  const ofBroker = async (clock: RoundClock): Promise<Reading<SeenQuorum>> => {
    const sinceMs = clock.observedMs();
    const asked = question.ask();
    const described = await clock.within(asked.answer);
    const durationMs = clock.observedMs() - sinceMs;
    if (described !== undefined) {
      return remember(readingOf(unlessError(described, evaluate), durationMs));
    }
    if (asked.heldMs() >= LEADERLESS_AFTER_MS) {
      return { kind: "read", value: leaderless(last), durationMs };
    }
    return readingOf(err(lateError("DescribeQuorum", durationMs, asked)), durationMs);
  };

  const ofController = async (clock: RoundClock): Promise<Reading<SeenQuorum>> => {
    const answer = askController({ ...options, evaluate }, clock, last);
    const reading = remember(neverAbsent(await readWithin(clock, "DescribeQuorum", answer)));
    if (reading.kind === "failed" && reading.error.code === "timeout") {
      connection.drop("the quorum did not come in time");
    }
    return reading;
  };

  return { ofBroker: unlessRefused(ofBroker), ofController: unlessRefused(ofController) };
}

const isRefusal = (reading: Reading<SeenQuorum>): boolean =>
  reading.kind === "failed" && reading.error.code === "authorization";

type Evaluate = (described: DescribedQuorum) => Result<SeenQuorum, KafkaError>;

const evaluator =
  (judge: (quorum: Quorum) => SeenQuorum): Evaluate =>
  ({ version, errorCode, message, quorum }) => {
    if (errorCode === 0) return ok(resigns(version) ? quorum : judge(quorum));
    return err(protocolError(errorCode, "describe the quorum", PERMISSION, message));
  };

type Asking = QuorumReaderOptions & { readonly evaluate: Evaluate };

/** With the last known voters. */
const leaderless = (last: Quorum | undefined): Quorum => ({
  leaderId: NONE,
  leaderEpoch: last?.leaderEpoch ?? NONE,
  highWatermark: last?.highWatermark ?? NONE,
  voters: last?.voters ?? [],
  observers: last?.observers ?? [],
});

async function askController(
  options: Asking,
  clock: RoundClock,
  last: Quorum | undefined,
): Promise<Result<SeenQuorum, KafkaError>> {
  const { connection, evaluate } = options;
  const [own, cluster] = await Promise.all([
    connection.ask(quorumRequest()),
    connection.ask(controllersRequest()),
  ]);
  if (!own.ok && own.error.code !== "unsupported") return own;
  if (own.ok && own.value.errorCode !== kafkaCode("NOT_LEADER_OR_FOLLOWER"))
    return unlessError(own, evaluate);
  const known = unlessError(cluster, judgeControllers);
  if (known.ok && known.value.leaderId === NONE) return ok(leaderless(last));
  const led = known.ok ? await askLeader(options, clock, known.value) : known;
  return led.ok || led.error.code === "authorization" ? led : askBroker(options, clock, led.error);
}

async function askLeader(
  { askOther, evaluate }: Asking,
  clock: RoundClock,
  { leaderId, controllers }: Controllers,
): Promise<Result<SeenQuorum, KafkaError>> {
  const leader = controllers.find(({ id }) => id === leaderId);
  if (leader === undefined) return err(noAddress(leaderId));
  const answer = await askOther(leader, quorumRequest(), clock.leftMs() * LEADER_SHARE);
  return answer.ok ? evaluate(answer.value) : err(lostLeader(leader.id, answer.error));
}

/** Before Kafka 3.7, or with an older metadata.version, a controller does not know the others' addresses. */
async function askBroker(
  { askAny, evaluate }: Asking,
  clock: RoundClock,
  error: KafkaError,
): Promise<Result<SeenQuorum, KafkaError>> {
  const leftMs = clock.leftMs() * BROKER_SHARE;
  // One that is on the losing side of a partition passes the question on to the leader that was deposed.
  const serves = ({ version, errorCode, quorum }: DescribedQuorum) =>
    errorCode === 0 && (resigns(version) || lostMajority(quorum, 0) === undefined);
  const answer = await askAny(quorumRequest(), leftMs, serves);
  const told = unlessError(answer, evaluate);
  if (told.ok) return told;
  const detail = `${error.detail}; nor does a broker of BOOTSTRAP_SERVERS say: ${told.error.detail}`;
  return err({ ...error, detail });
}

/** A controller has a quorum, even if it cannot be described. */
function neverAbsent(reading: Reading<SeenQuorum>): Reading<SeenQuorum> {
  if (reading.kind !== "absent") return reading;
  const detail = `who leads the quorum could not be asked: ${reading.reason}`;
  return { kind: "failed", error: { code: "broker", retry: "terminal", detail }, durationMs: 0 };
}

function judgeControllers(controllers: Controllers): Result<Controllers, KafkaError> {
  const { errorCode, message } = controllers;
  if (errorCode === 0) return ok(controllers);
  return err(protocolError(errorCode, "describe the controllers", PERMISSION, message));
}

/** A controller that has lost its leader still names it (KIP-996: until it has won a vote of its own). */
const lostLeader = (id: number, error: KafkaError): KafkaError => ({
  ...error,
  detail: `node ${id}, which should lead the quorum, does not answer: ${error.detail}`,
});

const noAddress = (id: number): KafkaError => ({
  code: "unreachable",
  retry: "transient",
  detail: `describe the quorum: node ${id} leads, but this controller does not know its address`,
});
