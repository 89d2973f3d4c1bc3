/**
 * `check kafka`: tries each step of the way that the program itself takes, prints a line for each, and says
 * which one fails and what to do. There is no shell in our images, so this is what an operator has in a
 * pod.
 *
 * Writes nothing and joins no group. It creates no topic of ours; Kafka itself creates its offsets topic
 * when it is first asked about a group.
 */

import { systemClock } from "../../clock.ts";
import { type Call, type Deadline, startDeadline } from "../../deadline.ts";
import { formatDuration } from "../../duration.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import { err, ok, type Result } from "../../result.ts";
import { isTransient, retry } from "../../retry.ts";
import {
  clusterOperationsRequest,
  groupOperationsRequest,
  missingOperations,
} from "../api/authorized-operations.ts";
import { type ClusterMetadata, metadataRequest } from "../api/metadata.ts";
import { type KafkaClient, openKafkaClient } from "../cluster/client.ts";
import { protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";
import type { KafkaLog } from "../log.ts";
import {
  addressText,
  type BrokerAddress,
  type KafkaSettings,
  parseBrokerAddress,
} from "../settings.ts";
import { type PathOptions, walkPath } from "./path.ts";
import {
  type GroupNeed,
  judgeCluster,
  judgeGroup,
  judgeTopic,
  judgeTopicPermission,
  type Needs,
} from "./permissions.ts";
import {
  type CheckStep,
  type Failure,
  type Finding,
  failedBy,
  passed,
  stepLine,
  timed,
} from "./step.ts";

/** How many advertised brokers are tried at the same time. */
const AT_ONCE = 8;
/** Deadline of one question about topics or groups. */
const QUESTION_MS_MAX = 10_000;
const COORDINATOR_PACE = {
  baseMs: 200,
  maxMs: 200,
  certain: 1,
  clock: systemClock,
  again: isTransient,
};
const SEE_LOGS = "See the brokers' logs.";

export type CheckOptions = {
  readonly settings: KafkaSettings;
  /** Its name for a person: `the control plane`. */
  readonly program: string;
  /** A function of the cluster id, because names may depend on it. */
  readonly needs: (clusterId: string) => Needs;
  readonly timeoutMs: number;
  readonly say: (line: string) => void;
  readonly log: KafkaLog;
  readonly signal: AbortSignal;
};

/** Called with each step when it is done. */
type Told = (step: CheckStep) => void;

export async function checkKafka(options: CheckOptions): Promise<ExitCode> {
  const { settings, say } = options;
  const deadline = startDeadline({ deadlineMs: options.timeoutMs, signal: options.signal });
  const walk = { ...options, deadline };
  const keeping =
    (steps: CheckStep[]): Told =>
    (step) => {
      steps.push(step);
      say(stepLine(step));
    };
  const seeds: CheckStep[] = [];
  const rest: CheckStep[] = [];
  if (await reachSeeds(walk, keeping(seeds))) {
    const client = openKafkaClient(settings, { log: options.log });
    await askCluster(walk, client, keeping(rest));
    await client.close();
  }
  return conclude(walk, seeds, rest);
}

type Walk = CheckOptions & { readonly deadline: Deadline };

/** Tries them one after the other, as the program does; true when at least one of them accepts us. */
async function reachSeeds(walk: Walk, told: Told): Promise<boolean> {
  let reached = false;
  for (const seed of walk.settings.brokers) {
    const address = parseBrokerAddress(seed);
    if (address === undefined) throw new Error(`"${seed}" is no broker address`);
    const steps = await walkPath(address, walk, told);
    reached ||= steps.every(({ finding }) => finding.outcome !== "failed");
  }
  return reached;
}

async function askCluster(walk: Walk, client: KafkaClient, told: Told): Promise<void> {
  const sinceMs = performance.now();
  const asked = await client.metadata([], question(walk));
  const ms = Math.round(performance.now() - sinceMs);
  if (!asked.ok) {
    const advice =
      walk.settings.sasl === undefined
        ? "A broker that closes the connection here needs SASL: SASL_ENABLED, SASL_USERNAME, SASL_PASSWORD."
        : SEE_LOGS;
    told({ name: "metadata", ms, finding: failedBy(asked.error, advice) });
    return;
  }
  const { brokers, clusterId } = asked.value;
  told({
    name: "metadata",
    ms,
    finding: passed(`cluster ${clusterId}, ${brokers.length} brokers`),
  });
  await reachAdvertised(walk, asked.value, told);
  const needs = walk.needs(clusterId ?? "unknown");
  await askPermissions(walk, client, needs, told);
}

/** Clients go to the addresses that brokers advertise, so these must be reachable from here, too. */
async function reachAdvertised(walk: Walk, cluster: ClusterMetadata, told: Told): Promise<void> {
  const seeds = new Set(walk.settings.brokers);
  const left = cluster.brokers.filter((node) => !seeds.has(addressText(node)));
  const work = async () => {
    for (let node = left.shift(); node !== undefined; node = left.shift()) {
      const { id, host, port } = node;
      const name = `broker ${id} at ${addressText(node)}`;
      told(await timed(name, () => walkAdvertised({ host, port }, walk)));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, left.length) }, work));
}

async function walkAdvertised(address: BrokerAddress, walk: PathOptions): Promise<Finding> {
  const steps = await walkPath(address, walk);
  const failed = steps.map(({ finding }) => finding).find(isFailure);
  if (failed === undefined) return passed("advertised by the cluster, and reached");
  const advice = `The cluster advertises this address (advertised.listeners): clients must reach it. ${failed.advice}`;
  return { ...failed, advice };
}

async function askPermissions(
  walk: Walk,
  client: KafkaClient,
  needs: Needs,
  told: Told,
): Promise<void> {
  const cluster = await client.toAny(clusterOperationsRequest(), question(walk));
  const mayCreate =
    cluster.ok && missingOperations(cluster.value.operations, ["CREATE"]).length === 0;
  if (needs.cluster.length > 0) {
    const finding = cluster.ok
      ? judgeCluster(needs.cluster, cluster.value)
      : failedBy(cluster.error, SEE_LOGS);
    told({ name: "permissions on the cluster", ms: undefined, finding });
  }
  await askTopics(walk, client, { needs, mayCreate }, told);
  for (const need of needs.groups) {
    const name = `permissions on group ${need.prefix ?? need.group}`;
    told(await timed(name, () => askGroup(walk, client, need)));
  }
}

/** The first question about a group makes Kafka create its offsets topic. */
type Moving = { readonly retry: "transient"; readonly finding: Finding };

async function askGroup(walk: Walk, client: KafkaClient, need: GroupNeed): Promise<Finding> {
  const deadline = startDeadline(question(walk));
  const request = groupOperationsRequest(need.group);
  const once = async (): Promise<Result<Finding, Moving>> => {
    const answer = await client.toCoordinator(need.group, request, deadline.call());
    if (!answer.ok) {
      if (answer.error.code !== "authorization") return ok(failedBy(answer.error, SEE_LOGS));
      return ok(
        judgeGroup(need, { errorCode: kafkaCode("GROUP_AUTHORIZATION_FAILED"), operations: 0 }),
      );
    }
    const finding = judgeGroup(need, answer.value);
    const isMoving = protocolError(answer.value.errorCode, "").code === "not-coordinator";
    return isMoving ? err({ retry: "transient", finding }) : ok(finding);
  };
  const failed = () => client.forgetCoordinator(need.group);
  const asked = await retry(once, { ...COORDINATOR_PACE, deadline, failed });
  return asked.ok ? asked.value : asked.error.finding;
}

async function askTopics(
  walk: Walk,
  client: KafkaClient,
  { needs, mayCreate }: { readonly needs: Needs; readonly mayCreate: boolean },
  told: Told,
): Promise<void> {
  const names = needs.topics.map(({ topic }) => topic);
  if (names.length === 0) return;
  const asked = await client.toAny(metadataRequest(names, { operations: true }), question(walk));
  if (!asked.ok) {
    told({
      name: "topics",
      ms: undefined,
      finding: failedBy(asked.error, SEE_LOGS),
    });
    return;
  }
  for (const need of needs.topics) {
    const topic = asked.value.topics.find(({ name }) => name === need.topic);
    if (topic === undefined) throw new Error(`Kafka said nothing about topic ${need.topic}`);
    const allowed = judgeTopicPermission(need, topic);
    told({ name: `permissions on topic ${need.topic}`, ms: undefined, finding: allowed });
    if (allowed.outcome === "ok") {
      told({
        name: `topic ${need.topic}`,
        ms: undefined,
        finding: judgeTopic(need, topic, mayCreate),
      });
    }
  }
}

const question = ({ deadline }: Walk): Call => deadline.call(QUESTION_MS_MAX);

const isFailure = (finding: Finding): finding is Failure => finding.outcome === "failed";

/** A failed seed is no failure if another one accepts us: the program skips it, too. */
function conclude(
  options: Walk,
  seeds: readonly CheckStep[],
  rest: readonly CheckStep[],
): ExitCode {
  const { say, signal, timeoutMs } = options;
  if (signal.aborted) {
    say("Stopped by a signal.");
    return EXIT.unconfirmed;
  }
  const lost = seeds.filter(({ finding }) => isFailure(finding));
  const failed = rest.length === 0 ? lost : rest.filter(({ finding }) => isFailure(finding));
  const [first] = failed;
  if (first === undefined || !isFailure(first.finding)) {
    const note = lost.length === 0 ? "" : `; but ${lost.length} of KAFKA_BROKERS cannot be used`;
    say(`Kafka is as ${options.program} needs it${note}.`);
    return EXIT.done;
  }
  const more = failed.length === 1 ? "" : ` (${failed.length} failures in all)`;
  say(`It ends at ${first.name}${more}: ${first.finding.detail}.`);
  say(first.finding.advice);
  if (options.deadline.over()) say(`The time is over: --timeout ${formatDuration(timeoutMs)}.`);
  return first.finding.exit;
}
