/**
 * An image of Kafka without a registry: this machine's Java, the libraries it is linked with, the bed's jars
 * and a shell. Like Apache's own image it makes its settings of `KAFKA_*` and formats its storage.
 */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ensureJars } from "../bed/kafka/jars.ts";
import { writeImage } from "../bed/kubernetes/image.ts";
import type { KubernetesBed } from "../bed/kubernetes/kubernetes.ts";

const JAVA = "/opt/java";
const JARS = "/opt/kafka/libs";
const ENTRY = "/opt/kafka/run";
const APPLETS = ["sh", "env", "awk"] as const;
/** Of a JDK: what is not needed to run. */
const NOT_RUN = /^(?:docs|include|jmods|legal|man|src\.zip|lib\/src\.zip)(?:\/|$)/u;
const LINKED = ["bin/java", "lib/server/libjvm.so", "lib/libnio.so", "lib/libzip.so"] as const;

const SETTINGS = `/^KAFKA_/ && !/^KAFKA_HEAP_OPTS=/ {
  name = tolower(substr($1, 7)); gsub(/_/, ".", name)
  print name "=" substr($0, length($1) + 2)
}`;
/** slf4j-simple, the bed's logger, writes to standard error. */
const SCRIPT = `set -eu
env | awk -F= '${SETTINGS}' >/tmp/server.properties
java="${JAVA}/bin/java $KAFKA_HEAP_OPTS -cp ${JARS}/*"
set -f
$java kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c /tmp/server.properties
exec $java kafka.Kafka /tmp/server.properties
`;

/** @throws BedUnavailable without Java or Kafka's jars. */
export async function loadKafka(bed: KubernetesBed, name: string): Promise<void> {
  const libs = await ensureJars();
  const home = await javaHome();
  const script = join(bed.directory, "kafka-run.sh");
  await Bun.write(script, SCRIPT);
  const tar = join(bed.directory, "image.tar");
  await writeImage(tar, {
    name,
    files: {
      ...(await filesOf(home, JAVA)),
      ...(await filesOf(libs, JARS)),
      ...(await libraries(home)),
      "/bin/busybox": "/bin/busybox",
      [ENTRY]: script,
    },
    links: Object.fromEntries(APPLETS.map((applet) => [`/bin/${applet}`, "busybox"])),
    entrypoint: ["/bin/sh", ENTRY],
  });
  await bed.loadImage(tar);
}

async function javaHome(): Promise<string> {
  const said = await output(["java", "-XshowSettings:properties", "-version"], "stderr");
  const home = /^\s*java\.home = (?<home>.+)$/mu.exec(said)?.groups?.["home"];
  if (home === undefined) throw new Error(`java does not say its home: ${said}`);
  return home;
}

/** Path in the image to that on this machine; links are followed, and dead ones left out. */
async function filesOf(directory: string, into: string): Promise<Record<string, string>> {
  const entries = await filesBelow(directory, "");
  return Object.fromEntries(entries.map((file) => [`${into}/${file}`, join(directory, file)]));
}

async function filesBelow(top: string, below: string): Promise<readonly string[]> {
  const entries = await readdir(join(top, below), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<readonly string[]> => {
      const path = join(below, entry.name);
      if (NOT_RUN.test(path) || !existsSync(join(top, path))) return [];
      const stat = await Bun.file(join(top, path)).stat();
      return stat.isDirectory() ? await filesBelow(top, path) : [path];
    }),
  );
  return found.flat();
}

/** What the Java machine is linked with, where its loader looks for it. */
async function libraries(home: string): Promise<Record<string, string>> {
  const lines = await output(["ldd", ...LINKED.map((file) => join(home, file))], "stdout");
  const paths = [...lines.matchAll(/(?<=\s)\/\S+(?= \(0x)/gu)].map(([path]) => path);
  const outside = paths.filter((path) => !path.startsWith(home));
  return Object.fromEntries(outside.map((path) => [path, path]));
}

async function output(command: readonly string[], from: "stdout" | "stderr"): Promise<string> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stderr}`);
  return from === "stdout" ? stdout : stderr;
}
