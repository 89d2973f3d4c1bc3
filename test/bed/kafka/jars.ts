/** Kafka's jars from Maven Central, fetched once per version into the user's cache. */
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { BedUnavailable } from "../unavailable.ts";
import { type KafkaVersion, NEWEST_KAFKA, wantedKafka } from "./version.ts";

const JAVA_VERSION_MIN = 17;
const FETCH_ATTEMPTS_MAX = 3;
const MOVE_ATTEMPTS_MAX = 3;
const PROGRESS_MS = 5000;
const POM = join(import.meta.dir, "pom.xml");
/** Contains a digest of the pom; written before the rename, so a folder with it is complete. */
const MARKER = "complete";
const NEEDED = "Java 17 and Maven are needed for the Kafka bed: install";

/**
 * The folder of a version's jars, by default of this run's version; fetched first if it is missing. Two
 * processes may do this at the same time: each downloads separately, and the first to finish wins.
 * @throws BedUnavailable without Java, Maven or a network.
 */
export async function ensureJars(version: KafkaVersion = wantedKafka().version): Promise<string> {
  await requireJava();
  const home = join(homedir(), ".cache", "outrider", `kafka-${version}`);
  const libs = join(home, "libs");
  const digest = Bun.hash(await Bun.file(POM).text()).toString(16);
  if (await isComplete(libs, digest)) return libs;
  if (Bun.which("mvn") === null) {
    throw new BedUnavailable(`${NEEDED} maven (mvn was not found), or set KAFKA_BROKERS`);
  }
  await mkdir(home, { recursive: true });
  const partial = await mkdtemp(join(home, "partial-"));
  try {
    if (await fetchJars(version, partial, () => isComplete(libs, digest))) {
      await Bun.write(join(partial, MARKER), digest);
      await moveInto(libs, partial, digest);
    }
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return libs;
}

/** The jars with the console tools: the newest ones, whatever brokers they talk to (KIP-896: 2.1 and later). */
export const ensureTools = (): Promise<string> => ensureJars(NEWEST_KAFKA);

let java: Promise<void> | undefined;

/** Asked once per process. */
function requireJava(): Promise<void> {
  java ??= checkJava();
  return java;
}

async function checkJava(): Promise<void> {
  if (Bun.which("java") === null) {
    throw new BedUnavailable(
      `${NEEDED} a JRE such as openjdk-17-jre-headless (java was not found), or set KAFKA_BROKERS`,
    );
  }
  const child = Bun.spawn(["java", "-version"], {
    stdin: "ignore",
    stderr: "pipe",
    stdout: "ignore",
  });
  const [text, code] = await Promise.all([child.stderr.text(), child.exited]);
  const version = Number(text.match(/version "(\d+)/)?.[1] ?? 0);
  if (code !== 0 || version < JAVA_VERSION_MIN) {
    throw new BedUnavailable(
      `${NEEDED} a JRE of version 17 or later (java says ${version}), or set KAFKA_BROKERS`,
    );
  }
}

async function isComplete(libs: string, digest: string): Promise<boolean> {
  const marker = Bun.file(join(libs, MARKER));
  return (await marker.exists()) && (await marker.text()) === digest;
}

/**
 * `false` if another process has fetched them meanwhile. Retries: Maven fails sometimes when two of them
 * fill the same local repository.
 */
async function fetchJars(
  version: KafkaVersion,
  into: string,
  doneByOther: () => Promise<boolean>,
): Promise<boolean> {
  say(`fetching the jars of Apache Kafka ${version} with Maven, 45 MB; only the first time`);
  const since = performance.now();
  const progress = setInterval(() => {
    void countJars(into).then((jars) => say(`still fetching, ${jars} jars so far`));
  }, PROGRESS_MS);
  try {
    for (let attempt = 1; ; attempt += 1) {
      const failure = await copyDependencies(version, into);
      if (failure === undefined) break;
      if (await doneByOther()) return false;
      if (attempt === FETCH_ATTEMPTS_MAX) {
        throw new BedUnavailable(`Maven could not fetch Kafka's jars: ${failure}`);
      }
      say(`Maven failed, attempt ${attempt} of ${FETCH_ATTEMPTS_MAX}: ${failure}`);
    }
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    say(`${await countJars(into)} jars in ${seconds} s`);
    return true;
  } finally {
    clearInterval(progress);
  }
}

/** Maven's last output when it failed, on one line. */
async function copyDependencies(version: KafkaVersion, into: string): Promise<string | undefined> {
  const words = [
    ...["-q", "-B", "-f", POM, `-Dkafka.version=${version}`],
    ...(version === NEWEST_KAFKA ? ["-Ptools"] : []),
    ...["dependency:copy-dependencies", `-DoutputDirectory=${into}`],
  ];
  const child = Bun.spawn(["mvn", ...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code === 0) return undefined;
  const errors = `${out}\n${err}`.split("\n").filter((line) => line.includes("ERROR"));
  return (errors[0] ?? `exit code ${code}`).slice(0, 400);
}

/** An unusable folder there is from another version of the pom; processes that run from it keep their open files. */
async function moveInto(libs: string, partial: string, digest: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const failure = await rename(partial, libs).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined || (await isComplete(libs, digest))) return;
    if (attempt === MOVE_ATTEMPTS_MAX) throw failure;
    const aside = `${partial}-old-${attempt}`;
    await rename(libs, aside).catch(() => undefined);
    await rm(aside, { recursive: true, force: true });
  }
}

async function countJars(dir: string): Promise<number> {
  const names = await readdir(dir).catch(() => []);
  return names.filter((name) => name.endsWith(".jar")).length;
}

function say(line: string): void {
  process.stderr.write(`kafka bed: ${line}\n`);
}
