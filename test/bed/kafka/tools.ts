/** Kafka's own console tools as foreign clients: each call is a Java process of about a second. */
import { killGroup, spawnReaped } from "../reaper.ts";
import { type GroupRow, parseGroup } from "./group.ts";
import { type JavaResult, runJava, toolCommand } from "./java.ts";
import {
  type ConsumedRecord,
  FORMATTER_PROPERTIES,
  type ProducedRecord,
  parseConsumed,
  producerLine,
  READER_PROPERTIES,
} from "./records.ts";

const PRODUCER = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const TOPICS = "org.apache.kafka.tools.TopicCommand";
const CONFIGS = "org.apache.kafka.tools.ConfigCommand";
const GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const ACLS = "org.apache.kafka.tools.AclCommand";
const DEADLINE_MS = 60_000;
const CONSUME_MS = 20_000;
const IDLE_MS = 3000;
const LINGER_MS = "5";

type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

type ProduceOptions = {
  readonly compression?: Compression;
  /** Producer settings. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
};

type ConsumeOptions = {
  /** Ends after this many records, and fails with fewer. If left out, it ends when none came for 3 s. */
  readonly count?: number;
  readonly group?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly committedOnly?: boolean;
  /** Consumer settings. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
};

type OpenProducer = {
  readonly pid: number;
  /** Passes the records to the Java process; they are sent within some milliseconds. */
  readonly send: (records: readonly ProducedRecord[]) => Promise<void>;
  /** Flushes and ends it; its warnings are on stderr. @throws Error when a record was refused. */
  readonly close: () => Promise<JavaResult>;
};

type Acl = {
  readonly principal: string;
  readonly operations: readonly string[];
  readonly topic?: string;
  readonly group?: string;
  readonly transactionalId?: string;
  readonly cluster?: boolean;
  /** The name is a prefix. */
  readonly prefixed?: boolean;
};

export type KafkaTools = {
  readonly produce: (
    topic: string,
    records: readonly ProducedRecord[],
    options?: ProduceOptions,
  ) => Promise<void>;
  /** One Java process for many sends. */
  readonly openProducer: (topic: string, options?: ProduceOptions) => OpenProducer;
  /** From the beginning, unless an offset is given. */
  readonly consume: (topic: string, options?: ConsumeOptions) => Promise<readonly ConsumedRecord[]>;
  readonly createTopic: (
    name: string,
    partitions?: number,
    configs?: Readonly<Record<string, string>>,
  ) => Promise<void>;
  readonly deleteTopic: (name: string) => Promise<void>;
  readonly listTopics: () => Promise<readonly string[]>;
  readonly describeTopic: (name: string) => Promise<string>;
  /** Alters settings of a topic, a broker (by id), a group or a user; `null` removes the setting. */
  readonly alterConfig: (
    entity: "topic" | "broker" | "group" | "user",
    name: string,
    configs: Readonly<Record<string, string | null>>,
  ) => Promise<void>;
  readonly listGroups: () => Promise<readonly string[]>;
  readonly describeGroup: (group: string) => Promise<readonly GroupRow[]>;
  readonly deleteGroup: (group: string) => Promise<void>;
  readonly allow: (acl: Acl) => Promise<void>;
  /** Runs any class of the jars; the caller passes `--bootstrap-server` and the identity. */
  readonly run: (
    className: string,
    args: readonly string[],
    stdin?: string,
    deadlineMs?: number,
  ) => Promise<JavaResult>;
  readonly bootstrap: string;
  /** The properties file with the identity, for `run`. */
  readonly clientConfig: string | undefined;
};

export type ToolsOptions = {
  readonly libs: string;
  readonly bootstrap: string;
  readonly clientConfig?: string;
};

export function createTools(options: ToolsOptions): KafkaTools {
  const { libs, bootstrap, clientConfig } = options;
  const run: KafkaTools["run"] = (className, args, stdin, deadlineMs = DEADLINE_MS) =>
    runJava({ libs, className, args, deadlineMs, ...(stdin === undefined ? {} : { stdin }) });
  const admin = async (className: string, args: readonly string[]) => {
    const identity = clientConfig === undefined ? [] : ["--command-config", clientConfig];
    return (await run(className, ["--bootstrap-server", bootstrap, ...identity, ...args])).stdout;
  };
  return {
    bootstrap,
    clientConfig,
    run,
    produce: async (topic, records, produceOptions = {}) => {
      const args = producerArguments(options, topic, produceOptions);
      const stdin = records.map(producerLine).join("");
      refuseLost(await run(PRODUCER, args, stdin, produceOptions.deadlineMs));
    },
    openProducer: (topic, produceOptions = {}) => openProducer(options, topic, produceOptions),
    consume: (topic, consumeOptions = {}) => consume(options, topic, consumeOptions),
    createTopic: async (name, partitions = 1, configs = {}) => {
      const settings = Object.entries(configs).flatMap(([key, value]) => [
        "--config",
        `${key}=${value}`,
      ]);
      await admin(TOPICS, [
        "--create",
        ...["--topic", name, "--partitions", String(partitions), ...settings],
      ]);
    },
    deleteTopic: async (name) => {
      await admin(TOPICS, ["--delete", "--topic", name]);
    },
    listTopics: async () => lines(await admin(TOPICS, ["--list"])),
    describeTopic: (name) => admin(TOPICS, ["--describe", "--topic", name]),
    alterConfig: async (entity, name, configs) => {
      await admin(CONFIGS, ["--alter", `--${entity}`, name, ...configArguments(configs)]);
    },
    listGroups: async () => lines(await admin(GROUPS, ["--list"])),
    describeGroup: async (group) =>
      parseGroup(await admin(GROUPS, ["--describe", "--group", group])),
    deleteGroup: async (group) => {
      await admin(GROUPS, ["--delete", "--group", group]);
    },
    allow: async (acl) => {
      await admin(ACLS, aclArguments(acl));
    },
  };
}

function producerArguments(
  { bootstrap, clientConfig }: ToolsOptions,
  topic: string,
  { compression = "none", properties = {} }: ProduceOptions,
): readonly string[] {
  return [
    ...["--bootstrap-server", bootstrap, "--topic", topic, "--compression-codec", compression],
    ...["--timeout", LINGER_MS],
    ...(clientConfig === undefined ? [] : ["--producer.config", clientConfig]),
    ...Object.entries(properties).flatMap(([key, value]) => [
      "--producer-property",
      `${key}=${value}`,
    ]),
    ...READER_PROPERTIES.flatMap((property) => ["--property", property]),
  ];
}

/** The console producer only logs a record that the broker refused, and ends with 0. */
function refuseLost({ stdout, stderr }: JavaResult): void {
  if (/\bERROR\b/.test(stderr)) throw new Error(`${PRODUCER} lost records\n${stdout}\n${stderr}`);
}

function openProducer(
  options: ToolsOptions,
  topic: string,
  produceOptions: ProduceOptions,
): OpenProducer {
  const args = producerArguments(options, topic, produceOptions);
  const child = spawnReaped({
    name: PRODUCER,
    command: toolCommand({ libs: options.libs, className: PRODUCER, args }),
    output: "pipe",
  });
  const output = Promise.all([child.stdout.text(), child.stderr.text()]);
  return {
    pid: child.pid,
    send: async (records) => {
      await child.stdin.write(records.map(producerLine).join(""));
      await child.stdin.flush();
    },
    close: async () => {
      await child.stdin.end();
      const deadlineMs = produceOptions.deadlineMs ?? DEADLINE_MS;
      const deadline = setTimeout(() => killGroup(child.pid), deadlineMs);
      const code = await child.exited;
      clearTimeout(deadline);
      const [stdout, stderr] = await output;
      if (code !== 0) throw new Error(`${PRODUCER} ended with ${code}\n${stdout}\n${stderr}`);
      refuseLost({ stdout, stderr });
      return { stdout, stderr };
    },
  };
}

async function consume(
  { libs, bootstrap, clientConfig }: ToolsOptions,
  topic: string,
  options: ConsumeOptions,
): Promise<readonly ConsumedRecord[]> {
  const { count, group, partition, offset, committedOnly = false, properties = {} } = options;
  const { deadlineMs = CONSUME_MS } = options;
  const waitMs = count === undefined ? IDLE_MS : deadlineMs;
  const args = [
    ...["--bootstrap-server", bootstrap, "--topic", topic, "--timeout-ms", String(waitMs)],
    ...(offset === undefined ? ["--from-beginning"] : ["--offset", String(offset)]),
    ...(partition === undefined ? [] : ["--partition", String(partition)]),
    ...(group === undefined ? [] : ["--group", group]),
    ...(count === undefined ? [] : ["--max-messages", String(count)]),
    ...["--isolation-level", committedOnly ? "read_committed" : "read_uncommitted"],
    ...(clientConfig === undefined ? [] : ["--consumer.config", clientConfig]),
    ...Object.entries(properties).flatMap(([key, value]) => [
      "--consumer-property",
      `${key}=${value}`,
    ]),
    ...FORMATTER_PROPERTIES.flatMap((property) => ["--property", property]),
  ];
  const result = await runJava({
    libs,
    className: CONSUMER,
    args,
    deadlineMs: deadlineMs + DEADLINE_MS,
  });
  const records = parseConsumed(result.stdout);
  if (count !== undefined && records.length < count) {
    throw new Error(
      `${CONSUMER}: ${records.length} of ${count} records in ${deadlineMs} ms\n${result.stderr}`,
    );
  }
  return records;
}

function configArguments(configs: Readonly<Record<string, string | null>>): readonly string[] {
  const set = Object.entries(configs).filter(([, value]) => value !== null);
  const gone = Object.entries(configs).filter(([, value]) => value === null);
  return [
    ...(set.length === 0
      ? []
      : ["--add-config", set.map(([key, value]) => `${key}=[${value}]`).join(",")]),
    ...(gone.length === 0 ? [] : ["--delete-config", gone.map(([key]) => key).join(",")]),
  ];
}

function aclArguments(acl: Acl): readonly string[] {
  return [
    ...["--add", "--allow-principal", acl.principal],
    ...acl.operations.flatMap((operation) => ["--operation", operation]),
    ...(acl.topic === undefined ? [] : ["--topic", acl.topic]),
    ...(acl.group === undefined ? [] : ["--group", acl.group]),
    ...(acl.transactionalId === undefined ? [] : ["--transactional-id", acl.transactionalId]),
    ...(acl.cluster ? ["--cluster"] : []),
    ...(acl.prefixed ? ["--resource-pattern-type", "prefixed"] : []),
  ];
}

function lines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}
