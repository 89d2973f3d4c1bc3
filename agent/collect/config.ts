/** The collector's variables, and what they select. */

import { CONNECTION_CHECKS, KAFKA_TABLE } from "../../shared/config/kafka.ts";
import { duration, names, oneOf, parsed, path, port, text } from "../../shared/config/schema.ts";
import { type Config, check, optional, required, withDefault } from "../../shared/config/table.ts";
import { TOPIC_PARTITIONS } from "../../shared/config/topic.ts";
import { ClientId } from "../../shared/protocol/client-id.ts";
import { CLUSTER_EVENTS, CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { KIND_WORDS, KIND_WORDS_BY_DEFAULT } from "./encode/kind.ts";
import { parseCustomResources, parseKinds } from "./selection.ts";

const TOPIC_CHARS_MAX = 249;
const NAMESPACE_CHARS_MAX = 63;
const ANNOTATION_CHARS_MAX = 317;
const SELECTOR_CHARS_MAX = 4096;

export const COLLECT_TABLE = {
  collectKinds: withDefault({
    name: "COLLECT_KINDS",
    schema: parsed(parseKinds, `names of ${KIND_WORDS.join(", ")}; several separated by commas`),
    default: KIND_WORDS_BY_DEFAULT.join(","),
    describe:
      "What is collected. Of `secrets` names of keys only; their account could read them, so they must be asked for",
  }),
  collectCustomResources: optional({
    name: "COLLECT_CUSTOM_RESOURCES",
    schema: parsed(
      parseCustomResources,
      "`databases.example.com/v1=spec.engine,status.phase`; several separated by semicolons; `:cluster` after the version where they lie in no namespace",
    ),
    without: "none",
    describe: "Custom resources that are collected, and the fields of each",
  }),
  collectNamespaces: optional({
    name: "COLLECT_NAMESPACES",
    schema: names(NAMESPACE_CHARS_MAX),
    without: "all, which takes a ClusterRole",
    describe: "Namespaces that are collected; what lies in none is collected all the same",
  }),
  collectLabelSelector: optional({
    name: "COLLECT_LABEL_SELECTOR",
    schema: text(SELECTOR_CHARS_MAX, "a label selector of Kubernetes"),
    without: "all objects",
    describe: "Only objects with these labels are collected",
  }),
  collectAnnotations: withDefault({
    name: "COLLECT_ANNOTATIONS",
    schema: names(ANNOTATION_CHARS_MAX),
    default: "deployment.kubernetes.io/revision,meta.helm.sh/*",
    describe:
      "Annotations that are collected, by name or up to a `*`; never those that repeat the object, and none of Secrets",
  }),
  collectFullPassMs: withDefault({
    name: "COLLECT_FULL_PASS",
    schema: duration({ minMs: 60_000, maxMs: 7 * 86_400_000 }),
    default: "6h",
    describe: "How often every object is sent again, so that a reader can close what it missed",
  }),
  kafkaTopic: withDefault({
    name: "KAFKA_TOPIC",
    schema: text(TOPIC_CHARS_MAX, "a topic's name"),
    default: CLUSTER_INFO,
    describe: "Topic of what is collected; whoever may write to it speaks for every cluster in it",
    seed: true,
  }),
  topicPartitions: TOPIC_PARTITIONS,
  eventsTopic: withDefault({
    name: "COLLECT_EVENTS_TOPIC",
    schema: text(TOPIC_CHARS_MAX, "a topic's name"),
    default: CLUSTER_EVENTS,
    describe: "Topic of `events`, where COLLECT_KINDS names them",
  }),
  kubeconfig: optional({
    name: "KUBECONFIG",
    schema: path("paths, with colons between"),
    without: "the pod's service account, else ~/.kube/config",
    describe: "Credentials for the cluster that is collected",
    seed: true,
  }),
} as const;
export type CollectConfig = Config<typeof COLLECT_TABLE>;

/** In the same process as the heartbeats. */
export const COLLECT_SWITCH = withDefault({
  name: "COLLECT",
  schema: oneOf(["off", "watch"]),
  default: "off",
  describe: "`watch`: `agent run` and `agent heartbeat` collect what is in the cluster, too",
});

/** Of the command `agent collect`. */
export const COLLECT_COMMAND_TABLE = {
  clientId: required({
    name: "CLIENT_ID",
    schema: ClientId,
    describe: "The cluster's identity: the beginning of its records' keys",
    seed: true,
  }),
  port: withDefault({
    name: "PORT",
    schema: port(),
    default: "8080",
    describe: "Port of health and metrics with `--mode watch`; 0 takes a free one",
    seed: true,
  }),
  ...COLLECT_TABLE,
  ...KAFKA_TABLE,
} as const;
export type CollectCommandConfig = Config<typeof COLLECT_COMMAND_TABLE>;

export const COLLECT_CHECKS = [
  ...CONNECTION_CHECKS,
  check(
    { kinds: COLLECT_TABLE.collectKinds, custom: COLLECT_TABLE.collectCustomResources },
    (config) => {
      const known = new Set(config.kinds.map(({ kind }) => kind));
      const twice = (config.custom ?? []).find(({ kind }) => known.has(kind));
      if (twice === undefined) return undefined;
      const detail = `${twice.kind} is named twice; leave it out of COLLECT_KINDS or out of here`;
      return { name: "COLLECT_CUSTOM_RESOURCES", message: detail };
    },
  ),
];
