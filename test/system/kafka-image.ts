/**
 * An image of Kafka without a registry: this machine's Java, the libraries it is linked with, the bed's jars
 * and a shell. Like Apache's own image it makes its settings of `KAFKA_*` and formats its storage.
 */
import { join } from "node:path";
import { ensureJars } from "../bed/kafka/jars.ts";
import { writeImage } from "../bed/kubernetes/image.ts";
import type { KubernetesBed } from "../bed/kubernetes/kubernetes.ts";
import { filesOf, linkedLibraries, output } from "./program-files.ts";

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
java="${JAVA}/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 $KAFKA_HEAP_OPTS -cp ${JARS}/*"
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
      ...(await filesOf(home, JAVA, NOT_RUN)),
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

/** What the Java machine is linked with and does not bring itself. */
async function libraries(home: string): Promise<Record<string, string>> {
  const linked = await linkedLibraries(LINKED.map((file) => join(home, file)));
  return Object.fromEntries(Object.entries(linked).filter(([path]) => !path.startsWith(home)));
}
