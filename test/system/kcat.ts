/** kcat, librdkafka's console client: a foreign client that partitions otherwise than Java does. */
import type { ProducedRecord } from "../bed/kafka/records.ts";
import { BedUnavailable } from "../bed/unavailable.ts";

const MISSING = "kcat is not installed: apt-get install kcat";
const INSTALL = "apt-get install --yes --quiet kcat || apt-get install --yes --quiet kafkacat";
/** No key or value under test holds it. */
const KEY_END = "|";

const found = (): string | null => Bun.which("kcat") ?? Bun.which("kafkacat");

/** Debian's package is installed where we may. @throws BedUnavailable */
export async function ensureKcat(): Promise<string> {
  const present = found();
  if (present !== null) return present;
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) throw new BedUnavailable(MISSING);
  const install = Bun.spawn(["/bin/sh", "-c", INSTALL], { stdout: "ignore", stderr: "pipe" });
  const told = await install.stderr.text();
  await install.exited;
  const installed = found();
  if (installed === null) throw new BedUnavailable(`${MISSING} (${told.trim().slice(-200)})`);
  return installed;
}

export async function produceByKcat(
  bootstrap: string,
  topic: string,
  records: readonly ProducedRecord[],
): Promise<void> {
  const lines = records.map(({ key, value }) => `${key ?? ""}${KEY_END}${value ?? ""}\n`);
  const command = [await ensureKcat(), "-P", "-b", bootstrap, "-t", topic, "-K", KEY_END];
  const child = Bun.spawn(command, { stdin: Buffer.from(lines.join("")), stderr: "pipe" });
  const told = await child.stderr.text();
  if ((await child.exited) !== 0) throw new Error(`kcat: ${told}`);
}
