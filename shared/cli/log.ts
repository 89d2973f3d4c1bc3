/**
 * Opens the log of a command with the level and format of its configuration; the configuration's secrets
 * are redacted.
 */
import type { KafkaConfig } from "../config/kafka.ts";
import { secretValues } from "../config/secret.ts";
import { type Log, openLog } from "../log.ts";
import type { Shell } from "./shell.ts";

export function openCommandLog(
  shell: Pick<Shell, "write" | "clock">,
  config: Pick<KafkaConfig, "logLevel" | "logFormat"> & Parameters<typeof secretValues>[0],
  to: "stdout" | "stderr",
): Log {
  return openLog({
    level: config.logLevel,
    format: config.logFormat,
    write: (line) => shell.write(to, line),
    clock: shell.clock,
    secrets: secretValues(config),
  });
}
