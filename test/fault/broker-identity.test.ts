/**
 * Who the sidecar is to Kafka: passwords and certificates, wrong, expired and rotated, and missing permissions. One
 * broker on SASL_SSL that asks for client certificates, does not carry 127.0.0.1 in its own, and ends sessions early.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import type { Sidecar } from "../bed/broker-sidecar/sidecar.ts";
import { type BrokerStage, brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch, watchedText } from "../bed/broker-sidecar/watch.ts";
import { createAuthority } from "../bed/certificate.ts";
import { until } from "../bed/condition.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import { say } from "./say.ts";

const LIMIT_MS = 120_000;
const OPEN_MS = 120_000;
const SOON_MS = 60_000;
const NAME = "kafka-0.kafka.invalid";
const WARM_MS = 5000;
const REAUTH_MS = 8000;
const USER = { name: "probe", password: "before", mechanism: "SCRAM-SHA-512" } as const;
const STRANGER = { name: "stranger", password: "no rights", mechanism: "PLAIN" } as const;
const CONFIGS = "org.apache.kafka.tools.ConfigCommand";

const stage = brokerStage({
  kafka: {
    listeners: ["SASL_SSL"],
    users: [USER, STRANGER],
    authorizer: true,
    serverNames: [`DNS:${NAME}`],
    properties: {
      "listener.name.sasl_ssl.ssl.client.auth": "required",
      "connections.max.reauth.ms": String(REAUTH_MS),
    },
  },
  // The sidecars here are each test's own.
  sidecars: { listener: "SASL_SSL", nodes: [] },
  prepare: async ({ tools }) => {
    await tools.createTopic("orders", 2);
    const principal = `User:${USER.name}`;
    await tools.allow({ principal, operations: ["Describe"], cluster: true });
    await tools.allow({ principal, operations: ["Describe", "DescribeConfigs"], topic: "*" });
  },
});

beforeAll(async () => {
  await stage.open();
  await stage.act(warmed)();
}, OPEN_MS);
afterAll(stage.close);

/** A JVM's first TLS handshakes take longer than a round of a second. */
async function warmed({ kafka, sidecars }: BrokerStage): Promise<void> {
  const own = await sidecars.start(0, { user: USER, intervalMs: WARM_MS, env: envOf(kafka) });
  await own.seenAfter(performance.now(), "ready", well);
  await own.process.stop();
}

const rounded = (ms: number) => `${Math.round(ms)} ms`;
const well = ({ code }: Probed) => code === 200;
const dead = ({ code }: Probed) => code === 503;

/** As it stands beside the broker: the list has its name, which does not resolve here. */
const envOf = (kafka: KafkaBed) => ({
  BOOTSTRAP_SERVERS: `${NAME}:${kafka.broker(0).portOf("SASL_SSL")}`,
});

/** Files that can be replaced at once, as a kubelet does it. */
async function openFiles(kafka: KafkaBed) {
  const { client } = kafka.certificates;
  const at = (name: string) => join(kafka.dir, `${crypto.randomUUID()}-${name}`);
  const paths = { password: at("password"), cert: at("cert.pem"), key: at("key.pem") };
  const put = async (path: string, from: string) => {
    await copyFile(from, `${path}.new`);
    await rename(`${path}.new`, path);
  };
  const password = async (text: string) => {
    await Bun.write(`${paths.password}.new`, text);
    await rename(`${paths.password}.new`, paths.password);
  };
  await password(USER.password);
  await put(paths.cert, client.certFile);
  await put(paths.key, client.keyFile);
  return {
    password,
    certificate: async ({ certFile, keyFile }: { certFile: string; keyFile: string }) => {
      await put(paths.key, keyFile);
      await put(paths.cert, certFile);
    },
    env: {
      ...{ SASL_PASSWORD: "", SASL_PASSWORD_FILE: paths.password },
      ...{ TLS_CERT_FILE: paths.cert, TLS_KEY_FILE: paths.key },
    },
  };
}

async function setPassword({ tools }: KafkaBed, password: string): Promise<void> {
  await tools.run(CONFIGS, [
    ...["--bootstrap-server", tools.bootstrap, "--alter"],
    ...["--entity-type", "users", "--entity-name", USER.name],
    ...["--add-config", `${USER.mechanism}=[iterations=4096,password=${password}]`],
  ]);
}

/** Until the broker has ended every session that was open now, and some rounds more. */
async function sessionsRenewed(own: Sidecar): Promise<void> {
  const sinceMs = performance.now() + 1.25 * REAUTH_MS;
  await until("sessions to be renewed", () => performance.now() > sinceMs, {
    deadlineMs: SOON_MS,
  });
  await own.fresh("ready");
}

/** Not ready for a reason of ours, which it names; never dead. */
function refused(probed: Probed, why: RegExp): void {
  expect(probed.code).toBe(503);
  expect(probed.body.error).toMatch(why);
}

describe("sidecar broker", () => {
  test(
    "stays alive with a wrong password, and says that it is the password",
    stage.act(async ({ kafka, sidecars }) => {
      const user = { ...USER, password: "wrong" };
      const sinceMs = performance.now();
      const own = await sidecars.start(0, { user, env: envOf(kafka) });
      const live = openWatch(own.live);
      const { probed, afterMs } = await own.seenAfter(
        sinceMs,
        "ready",
        (each) => dead(each) && /authentication/iu.test(each.body.error ?? ""),
      );
      refused(probed, /authentication/iu);
      expect(checkIn(probed, "broker-answers").status).toBe("warn");
      // It refuses us, and so it has started.
      expect((await own.startup()).code).toBe(200);
      await own.fresh("ready", performance.now() + 3 * own.intervalMs);
      expect([...(await live.stop()).codes]).toEqual([200]);
      expect(own.process.output()).not.toContain("wrong\n");
      const misnamed = await sidecars.start(0, {
        user: USER,
        env: { ...envOf(kafka), TLS_SERVER_NAME: "another.example" },
      });
      const named = await misnamed.seenAfter(performance.now(), "ready", (each) =>
        (each.body.error ?? "").includes("another.example"),
      );
      expect(named.probed.code).toBe(503);
      expect((await misnamed.startup()).code).toBe(200);
      expect((await misnamed.live()).code).toBe(200);
      say(`wrong name: "${named.probed.body.error}"`);
      await misnamed.process.stop();
      const { caFile } = await createAuthority(join(kafka.dir, "another-authority"));
      const stranger = await sidecars.start(0, {
        user: USER,
        env: { ...envOf(kafka), TLS_CA_FILE: caFile },
      });
      const foreign = await stranger.seenAfter(performance.now(), "ready", (each) =>
        /certificate/iu.test(each.body.error ?? ""),
      );
      const { reason } = checkIn(foreign.probed, "broker-answers");
      expect(reason).toStartWith(
        "alive, but we refuse its certificate (TLS_CA_FILE, TLS_SERVER_NAME): ",
      );
      expect(reason).not.toContain("it refuses us");
      expect((await stranger.startup()).code).toBe(200);
      expect((await stranger.live()).code).toBe(200);
      say(`certificate of another authority: "${reason}"`);
      await stranger.process.stop();
      const strict = await sidecars.start(0, {
        user,
        env: { ...envOf(kafka), LIVENESS: "cluster" },
      });
      const asOriginal = await strict.seenAfter(performance.now(), "live", dead);
      expect(asOriginal.probed.body.error).toMatch(/^failed to fetch metadata: .*authentication/iu);
      await strict.process.stop();
      say(`wrong password: "${probed.body.error}" ${rounded(afterMs)} after the start`);
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "stays alive with an expired certificate, and says that it has expired",
    stage.act(async ({ kafka, sidecars }) => {
      const { certFile, keyFile } = await kafka.certificates.expiredClient();
      const sinceMs = performance.now();
      const own = await sidecars.start(0, {
        user: USER,
        env: { ...envOf(kafka), TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile },
      });
      const live = openWatch(own.live);
      const { probed, afterMs } = await own.seenAfter(
        sinceMs,
        "ready",
        (each) => dead(each) && /expired/iu.test(each.body.error ?? ""),
      );
      refused(probed, /certificate/iu);
      expect(checkIn(probed, "broker-answers").status).toBe("warn");
      await own.fresh("ready", performance.now() + 3 * own.intervalMs);
      expect([...(await live.stop()).codes]).toEqual([200]);
      say(`expired certificate: "${probed.body.error}" ${rounded(afterMs)} after the start`);
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "takes a rotated password and certificate without a lost round, and says when they are wrong",
    stage.act(async ({ kafka, sidecars, undo }) => {
      const files = await openFiles(kafka);
      const own = await sidecars.start(0, {
        user: USER,
        env: { ...envOf(kafka), ...files.env },
      });
      undo(() => setPassword(kafka, USER.password));
      await own.seenAfter(performance.now(), "ready", well);
      const live = openWatch(own.live);
      const ready = openWatch(own.ready);
      await sessionsRenewed(own);
      const changesMs = performance.now();
      await setPassword(kafka, "after");
      await files.password("after\n");
      // Who must prove itself after Kafka knows the new one, and before the file has it, is refused for a round.
      const changedMs = performance.now() + 2 * own.intervalMs;
      await sessionsRenewed(own);
      const { authority } = kafka.certificates;
      const renewed = await authority.issue({
        ...{ name: `client-${crypto.randomUUID()}`, commonName: "outrider-client" },
        usage: "client",
      });
      await files.certificate(renewed);
      await sessionsRenewed(own);
      const rotated = await ready.stop();
      say(`rotated password, then certificate: ${watchedText(rotated)}`);
      const lost = rotated.changes.filter(({ code }) => code !== 200);
      expect(lost.filter(({ atMs }) => atMs < changesMs || atMs > changedMs)).toEqual([]);
      expect(rotated.rounds).toBeGreaterThan((3 * REAUTH_MS) / own.intervalMs);

      // The files are read again: what is wrong in them is found at the next session, and mended likewise.
      await files.password("no longer this");
      const wrong = await own.seenAfter(performance.now(), "ready", dead);
      refused(wrong.probed, /authentication/iu);
      await files.password("after");
      await own.seenAfter(performance.now(), "ready", well);
      await files.certificate(await kafka.certificates.expiredClient());
      const expired = await own.seenAfter(performance.now(), "ready", dead);
      refused(expired.probed, /expired/iu);
      say(
        `files: a wrong password was seen after ${rounded(wrong.afterMs)}, an expired certificate after ${rounded(expired.afterMs)}`,
      );
      await files.certificate(renewed);
      await own.seenAfter(performance.now(), "ready", well);
      expect([...(await live.stop()).codes]).toEqual([200]);
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "names the permission that it lacks, and is ready when it has it",
    stage.act(async ({ kafka, sidecars }) => {
      const own = await sidecars.start(0, { user: STRANGER, env: envOf(kafka) });
      const live = openWatch(own.live);
      const { probed } = await own.seenAfter(
        performance.now(),
        "ready",
        (each) => dead(each) && /permission/iu.test(each.body.error ?? ""),
      );
      expect(probed.body.error).toMatch(/describe/iu);
      // With ZooKeeper the metadata tells the controller, and needs no permission for it.
      const quorum = kafka.mode === "kraft" ? ["quorum-leader"] : [];
      for (const check of [...quorum, "log-directories"]) {
        const seen = checkIn(probed, check);
        expect(seen.status).toBe("unknown");
        expect(seen.reason).toMatch(/permission.*describe.*cluster/iu);
      }
      say(`no permission: "${probed.body.error}"`);
      const principal = `User:${STRANGER.name}`;
      const sinceMs = performance.now();
      await kafka.tools.allow({ principal, operations: ["Describe"], cluster: true });
      // Kafka hides topics that may not be described: that is no empty broker.
      const hidden = await own.seenAfter(sinceMs, "ready", ({ body }) =>
        /permission.*describe.*topic/iu.test(body.error ?? ""),
      );
      expect(hidden.probed.code).toBe(503);
      say(`Describe on the cluster alone: "${hidden.probed.body.error}"`);
      await kafka.tools.allow({ principal, operations: ["Describe"], topic: "*" });
      const ready = await own.seenAfter(sinceMs, "ready", well);
      expect(checkIn(ready.probed, "replicas-in-sync").reason).toContain("2 replicas");
      // What its partitions need is not its to see: then no answer is given.
      const safe = await own.fresh("restart-safe");
      say(`Describe alone: restart-safe ${safe.code}, "${checkIn(safe, "restart-safe").reason}"`);
      expect([...(await live.stop()).codes]).toEqual([200]);
      await own.process.stop();
    }),
    LIMIT_MS,
  );
});
