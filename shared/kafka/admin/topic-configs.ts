/** The effective settings of topics and brokers: DescribeConfigs (API 32, versions 1 to 3). */

import { type Call, startDeadline } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import type { ByteReader } from "../api/bytes.ts";
import type { KafkaRequest } from "../api/request.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { type KafkaError, protocolError } from "../error.ts";

export type TopicConfig = Readonly<Record<string, string>>;

const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;
const ALL_KEYS = -1;

export type DescribedConfig = {
  readonly name: string;
  readonly errorCode: number;
  readonly message: string | null;
  readonly config: TopicConfig;
};

/** One result per topic: one may be refused (ACL) while others are not. */
export async function describeTopicConfigs(
  client: KafkaClient,
  topics: readonly string[],
  call: Call,
): Promise<Result<ReadonlyMap<string, Result<TopicConfig, KafkaError>>, KafkaError>> {
  if (topics.length === 0) return ok(new Map());
  const answer = await client.toAny(topicConfigsRequest(topics, "all"), call);
  if (!answer.ok) return answer;
  const rows = answer.value.map(({ name, errorCode, message, config }) => {
    const permission = `DESCRIBE_CONFIGS on topic ${name}`;
    const what = `read the settings of topic ${name}`;
    const result: Result<TopicConfig, KafkaError> =
      errorCode === 0 ? ok(config) : err(protocolError(errorCode, what, permission, message));
    return [name, result] as const;
  });
  return ok(new Map(rows));
}

/** One effective setting of a broker; empty where Kafka does not report it. Needs DESCRIBE_CONFIGS. */
export async function brokerSetting(
  client: KafkaClient,
  key: string,
  call: Call,
): Promise<Result<string, KafkaError>> {
  const deadline = startDeadline(call);
  const metadata = await client.metadata([], deadline.call());
  if (!metadata.ok) return metadata;
  const [broker] = metadata.value.brokers;
  if (broker === undefined) return ok("");
  const request = brokerConfigsRequest(broker.id, [key]);
  const answer = await client.toBroker(broker.id, request, deadline.call());
  if (!answer.ok) return answer;
  const [row] = answer.value;
  if (row === undefined || row.errorCode === 0) return ok(row?.config[key] ?? "");
  const permission = "DESCRIBE_CONFIGS on the cluster";
  return err(protocolError(row.errorCode, `read ${key} of broker ${broker.id}`, permission));
}

/** All settings of each topic, or only those named. Needs DESCRIBE_CONFIGS on each topic. */
export const topicConfigsRequest = (
  topics: readonly string[],
  keys: readonly string[] | "all",
): KafkaRequest<readonly DescribedConfig[]> => configsRequest(TOPIC_RESOURCE, topics, keys);

/**
 * Settings of one node. Only that node answers for its id; every other one refuses with 42 INVALID_REQUEST
 * (`Unexpected broker id, expected 2 or empty string, but received 1`). Needs DESCRIBE_CONFIGS on the cluster.
 */
export const brokerConfigsRequest = (
  brokerId: number,
  keys: readonly string[],
): KafkaRequest<readonly DescribedConfig[]> =>
  configsRequest(BROKER_RESOURCE, [String(brokerId)], keys);

function configsRequest(
  resource: typeof TOPIC_RESOURCE | typeof BROKER_RESOURCE,
  names: readonly string[],
  keys: readonly string[] | "all",
): KafkaRequest<readonly DescribedConfig[]> {
  return {
    apiKey: 32,
    apiName: "DescribeConfigs",
    versions: { min: 1, max: 3 },
    throttle: { at: "start", from: 2 },
    encode: (writer, version) => {
      writer.array(names, (row, name) => {
        row.int8(resource).string(name);
        if (keys === "all") row.int32(ALL_KEYS);
        else row.array(keys, (item, key) => item.string(key));
      });
      writer.boolean(false);
      if (version >= 3) writer.boolean(false);
    },
    decode: (reader, version) => {
      reader.int32();
      return reader.array((row) => {
        const errorCode = row.int16();
        const message = row.nullableString();
        row.int8();
        const name = row.string();
        const entries = row.array((entry) => decodeEntry(entry, version));
        return { name, errorCode, message, config: Object.fromEntries(entries) };
      });
    },
  };
}

function decodeEntry(reader: ByteReader, version: number): readonly [string, string] {
  const name = reader.string();
  const value = reader.nullableString() ?? "";
  reader.boolean();
  reader.int8();
  reader.boolean();
  reader.array((synonym) => {
    synonym.string();
    synonym.nullableString();
    return synonym.int8();
  });
  if (version >= 3) reader.int8();
  if (version >= 3) reader.nullableString();
  return [name, value];
}
