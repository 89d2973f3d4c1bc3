/** Compares what a program needs of Kafka with what Kafka permits. Pure. */

import { missingOperations, type Operation } from "../api/authorized-operations.ts";
import type { TopicMetadata } from "../api/metadata.ts";
import { protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";
import { type Finding, passed, refused, unreachable, warned } from "./step.ts";

const NO_LEADER = -1;

export type TopicNeed = {
  readonly topic: string;
  readonly operations: readonly Operation[];
  /** Without it the program works, but a part of it does not: a warning that says what is lost. */
  readonly without?: string;
  /** Who creates the topic when it is absent: the program being checked, or another one (named). */
  readonly madeBy: "us" | string;
};

export type GroupNeed = {
  readonly group: string;
  /** The group is one of many that begin with this prefix. */
  readonly prefix?: string;
  readonly operations: readonly Operation[];
  /** As for a topic. */
  readonly without?: string;
};

export type Needs = {
  readonly topics: readonly TopicNeed[];
  readonly groups: readonly GroupNeed[];
  readonly cluster: readonly Operation[];
};

const ASK =
  "Let Kafka's administrator add it, such as by kafka-acls.sh --add --allow-principal User:<us>";

function missing(what: string, operations: readonly Operation[], without?: string): Finding {
  const detail = `missing permission: ${operations.join(", ")} on ${what}`;
  if (without !== undefined) return warned(`${detail}; without it ${without}`);
  const flags = operations.map((operation) => `--operation ${camel(operation)}`).join(" ");
  const [kind, name] = what.split(" ");
  return refused(detail, `${ASK} ${flags} --${kind}${name === undefined ? "" : ` ${name}`}.`);
}

/** The spelling of kafka-acls.sh: `DescribeConfigs`. */
const camel = (operation: Operation): string =>
  operation
    .split("_")
    .map((word) => `${word.slice(0, 1)}${word.slice(1).toLowerCase()}`)
    .join("");

/** For a topic that we may not describe Kafka answers "refused", whether the topic exists or not. */
export function judgeTopicPermission(need: TopicNeed, topic: TopicMetadata): Finding {
  const what = `topic ${need.topic}`;
  const refusal = protocolError(topic.errorCode, `look at ${what}`);
  const wanted: readonly Operation[] = [...need.operations, "DESCRIBE"];
  if (refusal.code === "authorization") return missing(what, wanted, need.without);
  if (topic.operations === undefined) return passed("not reported: Kafka is older than 2.3");
  const lacking = missingOperations(topic.operations, wanted);
  if (lacking.length === 0) return passed(`${wanted.join(", ")} allowed`);
  return missing(what, lacking, need.without);
}

/** @param mayCreate whether the cluster as a whole allows CREATE */
export function judgeTopic(need: TopicNeed, topic: TopicMetadata, mayCreate: boolean): Finding {
  const what = `topic ${need.topic}`;
  if (topic.errorCode === kafkaCode("UNKNOWN_TOPIC_OR_PARTITION"))
    return judgeAbsent(need, topic, mayCreate);
  const count = topic.partitions.length;
  if (topic.errorCode !== 0 && count === 0) {
    const { detail } = protocolError(topic.errorCode, `look at ${what}`);
    return unreachable(detail, "See the brokers' logs.");
  }
  const led = topic.partitions.filter(({ leader }) => leader !== NO_LEADER).length;
  if (led === count) return passed(count === 1 ? "1 partition" : `${count} partitions`);
  return unreachable(
    `${count - led} of its ${count} partitions have no leader`,
    "Start the brokers that hold them (kafka-topics.sh --describe --unavailable-partitions).",
  );
}

function judgeAbsent(need: TopicNeed, topic: TopicMetadata, mayCreate: boolean): Finding {
  if (need.madeBy !== "us") {
    const detail = `absent; ${need.madeBy} makes it`;
    return need.without === undefined
      ? warned(detail)
      : warned(`${detail}; until then ${need.without}`);
  }
  const lacking = missingOperations(topic.operations ?? 0, ["CREATE"]);
  if (mayCreate || lacking.length === 0)
    return passed("absent; it is made when it is first needed");
  return refused(
    `absent, and it cannot be made: missing permission: CREATE on topic ${need.topic} (or on the cluster)`,
    `Make the topic (docs/operating.md says how), or: ${ASK} --operation Create --topic ${need.topic}.`,
  );
}

type Answered = { readonly errorCode: number; readonly operations: number };

export function judgeGroup(need: GroupNeed, answer: Answered): Finding {
  const what = `group ${need.prefix ?? need.group}${need.prefix === undefined ? "" : "*"}`;
  const error = protocolError(answer.errorCode, `look at ${what}`);
  if (error.code === "authorization") return missing(what, need.operations, need.without);
  if (answer.errorCode !== 0 && error.code !== "group-not-found") {
    return unreachable(error.detail, "See the brokers' logs.");
  }
  const lacking = missingOperations(answer.operations, need.operations);
  return lacking.length === 0
    ? passed(`${need.operations.join(", ")} allowed`)
    : missing(what, lacking, need.without);
}

export function judgeCluster(wanted: readonly Operation[], answer: Answered): Finding {
  const lacking = missingOperations(answer.operations, wanted);
  return lacking.length === 0
    ? passed(`${wanted.join(", ")} allowed`)
    : missing("cluster", lacking);
}
