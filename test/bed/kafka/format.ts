/**
 * Formats the directories of a node whose metadata Kafka's own controllers keep, by Kafka's tool. What the
 * tool made is kept, once for each version and role: the next node gets a copy, with ids of its own, in
 * place of a second of Java.
 */
import { existsSync } from "node:fs";
import { cp, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type KafkaUser, scramArguments } from "./config.ts";
import { runJava } from "./java.ts";

export type Unformatted = {
  readonly libs: string;
  /** Its `server.properties`. */
  readonly config: string;
  readonly logDirs: readonly string[];
  readonly id: number;
  readonly role: string;
  /** SCRAM users are put into the first metadata: then nothing is kept. */
  readonly users: readonly KafkaUser[];
};

/** @param clusterId As `newId` makes it. */
export async function format(node: Unformatted, clusterId: string): Promise<void> {
  const { libs, config, logDirs, id, role, users } = node;
  const scram = scramArguments(users);
  const kept = join(dirname(libs), `formatted-${role}`);
  if (scram.length > 0 || !existsSync(kept)) {
    const args = ["format", "-t", clusterId, "-c", config, ...scram];
    await runJava({ libs, className: "kafka.tools.StorageTool", args });
    if (scram.length === 0) await keep(logDirs, kept);
    return;
  }
  for (const [index, logDir] of logDirs.entries()) {
    await cp(join(kept, String(index)), logDir, { recursive: true });
    const file = join(logDir, "meta.properties");
    await Bun.write(file, renewed(await Bun.file(file).text(), id, clusterId));
  }
}

/** Sixteen random bytes as Kafka writes an id; never with a dash first, which tools take for an option. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `A${bytes.toBase64({ alphabet: "base64url", omitPadding: true }).slice(1)}`;
}

/** Before 3.7 a directory has no id. */
const renewed = (meta: string, id: number, clusterId: string): string =>
  meta
    .replace(/^node\.id=.*$/mu, `node.id=${id}`)
    .replace(/^cluster\.id=.*$/mu, `cluster.id=${clusterId}`)
    .replace(/^directory\.id=.*$/mu, `directory.id=${newId()}`);

/** Of several processes that do this at once the first wins. */
async function keep(logDirs: readonly string[], kept: string): Promise<void> {
  const partial = await mkdtemp(`${kept}-partial-`);
  for (const [index, logDir] of logDirs.entries()) {
    await cp(logDir, join(partial, String(index)), { recursive: true });
  }
  await rename(partial, kept).catch(() => rm(partial, { recursive: true, force: true }));
}
