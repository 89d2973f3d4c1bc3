/**
 * `bun run demo`: the main job on a real Apache Kafka with the real compiled binaries, told in plain
 * lines with the times it measured. `--keep` leaves all of it up until Ctrl-C.
 *
 * With KAFKA_BROKERS (and SASL_*, TLS_* as the programs know them) it uses that Kafka; without, it
 * starts one of its own. It ends with 0, with 1 when a step did not happen, and with 69 and one
 * line when there is no Kafka to be had.
 */
import * as v from "valibot";
import { readAgentConfig } from "../../agent/config.ts";
import { openHost } from "../../shared/config/host.ts";
import { kafkaSettings } from "../../shared/config/kafka.ts";
import { EXIT } from "../../shared/exit.ts";
import { type KafkaClient, openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { ClientId } from "../../shared/protocol/client-id.ts";
import { binaries } from "../bed/binaries.ts";
import { ensureJars } from "../bed/kafka/jars.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { type Cast, HEARTBEAT_INTERVAL, openCast, TIMES, workerLog } from "./cast.ts";
import { cleanUp, intentLines, type Lead, lastLead, refusal } from "./given.ts";
import { type Clusters, tellStory } from "./story.ts";
import { openTelling, StepFailed, secondsText, type Telling } from "./tell.ts";

const FAILED = 1;
const INTERRUPTED = 130;
const RECORDS_MAX = 500;
const KAFKA_LOG_LINES = 5;
const CREDENTIALS = /^(?:SASL|TLS)_[A-Z_]+$/u;

const monotonicMs = (): number => performance.now();
const isKeeping = process.argv.includes("--keep");
const given = process.env["KAFKA_BROKERS"] === "" ? undefined : process.env["KAFKA_BROKERS"];

const interrupted = Promise.withResolvers<never>();
interrupted.promise.catch(() => undefined);
class Interrupted extends Error {}
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => interrupted.reject(new Interrupted(name)));
}

const tell: Telling = openTelling({
  write: (text) => {
    process.stdout.write(text);
  },
  terminal: process.stdout.isTTY === true,
  monotonicMs,
});

/** What has been opened so far, to be closed in the end however far the story got. */
type Open = {
  kafka: KafkaBed | undefined;
  client: KafkaClient | undefined;
  cast: Cast | undefined;
  lead: Lead | undefined;
};

/** On a Kafka of others the names must not meet anybody's. */
function clustersOf(): Clusters {
  const suffix = given === undefined ? "" : `-demo-${Math.random().toString(36).slice(2, 8)}`;
  const id = (name: string) => v.parse(ClientId, `${name}${suffix}`);
  return { steady: id("berlin"), silent: id("oslo"), leaving: id("lima") };
}

function openGiven(brokers: string): KafkaClient {
  const environment = { ...process.env, KAFKA_BROKERS: brokers, CLIENT_ID: "demo" };
  const config = readAgentConfig(environment, openHost());
  if (!config.ok) {
    throw new Error(config.error.map(({ name, message }) => `${name} ${message}`).join("; "));
  }
  return openKafkaClient(kafkaSettings(config.value, "outrider-demo"), { log: () => undefined });
}

const credentials = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]): [string, string][] =>
      given !== undefined && value !== undefined && CREDENTIALS.test(name) ? [[name, value]] : [],
    ),
  );

async function play(open: Open, clusters: Clusters): Promise<void> {
  const brokers = given ?? (await startOwn(open));
  open.client = openGiven(brokers);
  if (given !== undefined) {
    const { client } = open;
    await tell.step("is that Kafka free for a demo?", async () => {
      const why = await refusal(client);
      if (why !== undefined) throw new Error(why);
      return "yes: no cluster is registered, and nobody beats";
    });
  }
  await tell.step("the binaries are built", async () => {
    await binaries();
    return "dist/agent, dist/sidecar (only when a source has changed)";
  });
  const { client } = open;
  open.lead = await lastLead(client);
  const { lastFleet } = open.lead;
  open.cast = await openCast({ brokers, credentials: credentials(), client, lastFleet });
  const plane = await tellStory({ cast: open.cast, clusters, tell, monotonicMs });
  if (isKeeping) await keep(open.cast, clusters, brokers, plane.url);
}

async function startOwn(open: Open): Promise<string> {
  let bootstrap = "";
  await tell.step("Apache Kafka 4.1 starts", async () => {
    const kafka = await startKafka();
    open.kafka = kafka;
    bootstrap = kafka.bootstrap;
    return `at ${bootstrap}`;
  });
  return bootstrap;
}

async function keep(cast: Cast, clusters: Clusters, brokers: string, url: string): Promise<void> {
  tell.say("\nAll of it stays up until Ctrl-C:");
  tell.say(`  clusters      ${url}/api/v1/clusters`);
  tell.say(`  one of them   ${url}/api/v1/clusters/${clusters.silent}`);
  tell.say(`  metrics       ${url}/metrics`);
  tell.say(`  health        ${url}/health/ready`);
  tell.say(`  Kafka         ${brokers}`);
  tell.say(`  worker's log  ${workerLog(cast.fleet, clusters.silent)}`);
  await interrupted.promise;
}

async function close({ kafka, client, cast, lead }: Open, clusters: Clusters): Promise<void> {
  await cast?.close();
  if (given !== undefined && client && cast && lead) {
    const ids = Object.values(clusters);
    await cast.forget(clusters.silent, RECORDS_MAX).catch(() => undefined);
    for (const left of await cleanUp(client, lead, ids)) tell.say(`left there: ${left}`);
  }
  await client?.close();
  await kafka?.stop();
  const running = cast?.fleet.workers() ?? [];
  if (running.length > 0) throw new Error(`${running.length} workers are left running`);
}

async function tellFailure(error: unknown, { cast, kafka }: Open): Promise<void> {
  const text = error instanceof StepFailed ? error.message : String(error);
  const logs = [(await kafka?.logTail(KAFKA_LOG_LINES)) ?? "", cast?.logTails() ?? ""];
  for (const log of logs.filter((each) => each !== "")) tell.say(log);
  tell.say(`\nThe demo FAILED: ${text}`);
}

/** Why there can be no Kafka of our own, in one line; jars are fetched here, when they are missing. */
async function missing(): Promise<string | undefined> {
  if (given !== undefined) return undefined;
  try {
    await ensureJars();
    return undefined;
  } catch (error) {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  }
}

async function main(): Promise<number> {
  const nothing = await missing();
  if (nothing !== undefined) {
    process.stderr.write(`${nothing}\n`);
    return EXIT.unavailable;
  }
  const sinceMs = monotonicMs();
  const clusters = clustersOf();
  const open: Open = { kafka: undefined, client: undefined, cast: undefined, lead: undefined };
  const times = Object.entries(TIMES).map(([name, value]) => `${name}=${value}`);
  tell.say("Outrider: three clusters on a real Kafka, by the compiled programs.");
  tell.say(`Times are shortened: ${times.join(" ")} HEARTBEAT_INTERVAL=${HEARTBEAT_INTERVAL}`);
  if (given !== undefined) for (const line of intentLines(Object.values(clusters))) tell.say(line);
  tell.say("");
  let code = 0;
  try {
    await Promise.race([play(open, clusters), interrupted.promise]);
    tell.say(`\nAll of it happened, in ${secondsText(monotonicMs() - sinceMs)}.`);
  } catch (error) {
    code = error instanceof Interrupted ? (isKeeping ? 0 : INTERRUPTED) : FAILED;
    if (code === FAILED) await tellFailure(error, open);
  }
  await close(open, clusters);
  tell.say("Everything that was started is stopped again.");
  if (code === 0) tell.say("Next: README.md, docs/architecture.md; `bun run demo --keep` to look.");
  return code;
}

process.exit(await main());
