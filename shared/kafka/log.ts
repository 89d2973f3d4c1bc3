/** Where the lines of the Kafka door go: to a log of ours, and in tests to a list. */
import type { Log } from "../log.ts";

export type KafkaLog = (
  level: "debug" | "info" | "warn" | "error",
  message: string,
  fields: Record<string, unknown>,
) => void;

/** The door's lines as lines of a log of ours. */
export const kafkaLog =
  (log: Log): KafkaLog =>
  (level, message, fields) =>
    log[level](message, fields);
