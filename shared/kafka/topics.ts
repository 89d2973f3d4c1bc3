/** Makes topics that are absent, and judges those that exist without changing them. */

import type { Result } from "../result.ts";
import type { KafkaError } from "./error.ts";
import type { Call } from "./request.ts";
import type { Wire } from "./wire.ts";

export type TopicConfig = Readonly<Record<string, string>>;

export type TopicSpec = {
  readonly name: string;
  readonly partitions: number;
  readonly config: TopicConfig;
  /** What is harmful about a topic that exists; undefined when nothing is. */
  readonly harmful?: (config: TopicConfig, partitions: number) => string | undefined;
};

export type TopicWarning = { readonly detail: string; readonly command: string };

export type TopicReport = {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
  readonly created: boolean;
  /** undefined: it could not be read (a warning says why). */
  readonly config: TopicConfig | undefined;
  readonly warnings: readonly TopicWarning[];
};

export function ensureTopics(
  _wire: Wire,
  _specs: readonly TopicSpec[],
  _call: Call,
): Promise<Result<readonly TopicReport[], KafkaError>> {
  throw new Error("not yet");
}

export function describeTopicConfigs(
  _wire: Wire,
  _topics: readonly string[],
  _call: Call,
): Promise<Result<ReadonlyMap<string, Result<TopicConfig, KafkaError>>, KafkaError>> {
  throw new Error("not yet");
}
