/** Where shared/kafka writes its log lines: to a log of ours, and in tests to a list. */
import type { Log } from "../log.ts";

export type KafkaLog = (
  level: "debug" | "info" | "warn" | "error",
  message: string,
  fields: Record<string, unknown>,
) => void;

/** Writes these lines to a log of ours. */
export const kafkaLog =
  (log: Log): KafkaLog =>
  (level, message, fields) =>
    log[level](message, fields);
