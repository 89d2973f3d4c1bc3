/** The log of a command: as its configuration asks for, with the configuration's secrets withheld. */
import type { KafkaConfig } from "../config/kafka.ts";
import { secretValues } from "../config/secret.ts";
import { type Log, openLog } from "../log.ts";
import type { Shell } from "./shell.ts";

export function openCommandLog(
  shell: Pick<Shell, "write" | "nowMs">,
  config: Pick<KafkaConfig, "logLevel" | "logFormat"> & Parameters<typeof secretValues>[0],
  to: "stdout" | "stderr",
): Log {
  return openLog({
    level: config.logLevel,
    format: config.logFormat,
    write: (line) => shell.write(to, line),
    nowMs: shell.nowMs,
    secrets: secretValues(config),
  });
}
