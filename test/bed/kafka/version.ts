/**
 * Which Kafka the bed starts: by default the newest, or what `BED_KAFKA` names, such as `3.9.2` or
 * `2.8.2-zookeeper`. Pure.
 */

/** Newest first. Each is the last patch of a release line in use. */
export const KAFKA_VERSIONS = ["4.4.0", "4.1.2", "3.9.2", "3.6.2", "2.8.2"] as const;
export type KafkaVersion = (typeof KAFKA_VERSIONS)[number];

/** What keeps the cluster's metadata: KRaft, or ZooKeeper, as was usual before 3.3. */
export type KafkaMode = "kraft" | "zookeeper";

export type KafkaChoice = { readonly version: KafkaVersion; readonly mode: KafkaMode };

export const NEWEST_KAFKA = KAFKA_VERSIONS[0];
const ZOOKEEPER = "-zookeeper";
/** 4.0 took ZooKeeper away; 2.8's own controllers were a preview, and do not describe their quorum. */
const WITH_ZOOKEEPER: readonly KafkaVersion[] = ["3.9.2", "3.6.2", "2.8.2"];
const WITH_KRAFT: readonly KafkaVersion[] = ["4.4.0", "4.1.2", "3.9.2", "3.6.2"];

/** @param text undefined or empty: the newest. @throws Error for what the bed does not have. */
export function kafkaChoice(text: string | undefined): KafkaChoice {
  if (text === undefined || text === "") return { version: NEWEST_KAFKA, mode: "kraft" };
  const mode = text.endsWith(ZOOKEEPER) ? "zookeeper" : "kraft";
  const name = mode === "zookeeper" ? text.slice(0, -ZOOKEEPER.length) : text;
  const version = KAFKA_VERSIONS.find((each) => each === name);
  const having = mode === "zookeeper" ? WITH_ZOOKEEPER : WITH_KRAFT;
  if (version === undefined || !having.includes(version)) {
    throw new Error(`BED_KAFKA=${text}: the bed has ${choices().join(", ")}`);
  }
  return { version, mode };
}

function choices(): readonly string[] {
  return [...WITH_KRAFT, ...WITH_ZOOKEEPER.map((version) => `${version}${ZOOKEEPER}`)];
}

/** The Kafka of this run's tests. */
export const wantedKafka = (): KafkaChoice => kafkaChoice(Bun.env["BED_KAFKA"]);
