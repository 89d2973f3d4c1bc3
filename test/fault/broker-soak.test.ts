/**
 * Broker sidecars under faults drawn at random, for OUTRIDER_SOAK_MINUTES: every verdict that they give is
 * held against a model of what it may be, and what they hold must not grow.
 */
import { expect, test } from "bun:test";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import { imageEnvironment } from "../bed/broker-sidecar/image-environment.ts";
import type { ProbeName } from "../bed/broker-sidecar/sidecar.ts";
import { type BrokerStage, brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch } from "../bed/broker-sidecar/watch.ts";
import { until } from "../bed/condition.ts";
import { chance } from "./random.ts";
import { say } from "./say.ts";
import { faultSettings } from "./settings.ts";
import { openFaults, STEADY } from "./soak-faults.ts";
import { type Story, type Times, wrongIn } from "./soak-model.ts";
import { slopePerMinute, type Vitals, vitalsOf } from "./soak-vitals.ts";
import { openWitness } from "./soak-witness.ts";

const { soakMinutes, seed } = faultSettings();
const PROBES = ["live", "ready", "restart-safe"] as const satisfies readonly ProbeName[];
const EVERY_MS = 100;
const SETTLE_MS = 60_000;
const CALM_MS = 2_000;
const WRONG_MAX = 20;
const TIMES: Times = {
  nodes: [0, 1, 2],
  intervalMs: 1000,
  sessionMs: 6000,
  electionMs: 7000,
  slackMs: 1000,
};
/** A sidecar has 128 MiB in its pod; 64 is what it may take when it is not disturbed. */
const RSS_KB_MAX = 96 * 1024;
/** Of the second half, when all code is compiled and all buffers are grown. */
const SLOPE_KB_MAX = 128;
/** Under some minutes of faults a slope is chance. */
const SLOPE_MINUTES_MIN = 10;
/** Our own requests come over some connections more or less; one leaked a fault would be dozens. */
const DESCRIPTORS_MORE_MAX = 10;

const stage = brokerStage({
  kafka: {
    brokers: 3,
    heap: "320m",
    properties: {
      "broker.heartbeat.interval.ms": "500",
      "broker.session.timeout.ms": String(TIMES.sessionMs),
      "replica.lag.time.max.ms": String(TIMES.sessionMs),
    },
  },
  sidecars: { intervalMs: TIMES.intervalMs, env: await imageEnvironment() },
  prepare: ({ tools }) => tools.createTopic("orders", 6, { "min.insync.replicas": "2" }),
});

test(
  `a broker sidecar gives no wrong verdict and leaks nothing in ${soakMinutes} min of random faults`,
  async () => {
    say(`OUTRIDER_SEED=${seed} OUTRIDER_SOAK_MINUTES=${soakMinutes}`);
    await stage.open();
    try {
      await stage.act(soak)();
    } finally {
      await stage.close();
    }
  },
  soakMinutes * 60_000 + 200_000,
);

async function soak({ kafka, sidecars }: BrokerStage): Promise<void> {
  const faults = openFaults({ kafka, sidecars, chance: chance(seed) });
  const calm: { fromMs: number; toMs: number }[] = [];
  const story: Story = { times: TIMES, spans: faults.spans, calm };
  const done: string[] = [];
  const wrong: string[] = [];
  const judge = (node: number, probe: ProbeName, answer: Probed) => {
    const what = wrongIn(story, node, probe, answer);
    if (what === undefined || wrong.length >= WRONG_MAX) return;
    const { status, reason } = checkIn(answer, "broker-answers");
    const round = Math.round(answer.atMs - (answer.roundMs ?? Number.NaN));
    wrong.push(
      `${Math.round(answer.atMs)}: ${probe} of ${node}, ${answer.code}: ${what}; round of ${round} ms before, ${status}: ${reason}`,
    );
  };
  const watches = TIMES.nodes.flatMap((node) =>
    PROBES.map((probe) =>
      openWatch(() => faults.sidecarOf(node).probe(probe), {
        everyMs: EVERY_MS,
        judge: (answer) => judge(node, probe, answer),
      }),
    ),
  );
  const witness = openWitness(kafka, faults.begin);
  const vitals: Vitals[] = [];
  const wellAfter = async (sinceMs: number, node: number, probe: ProbeName) => {
    const { code, body } = await faults.sidecarOf(node).fresh(probe, sinceMs);
    if (code !== 200) throw new Error(`${probe} of ${node}: ${body.error}`);
  };
  const settled = async () => {
    await until(
      "all to be ready and safe to stop",
      async () => {
        const sinceMs = performance.now();
        const all = TIMES.nodes.flatMap((node) => PROBES.map((probe) => ({ node, probe })));
        await Promise.all(all.map(({ node, probe }) => wellAfter(sinceMs, node, probe)));
        return true;
      },
      { deadlineMs: SETTLE_MS },
    );
    vitals.push(vitalsOf(faults.sidecarOf(STEADY).process.pid));
    const fromMs = performance.now();
    const span = { fromMs, toMs: fromMs + CALM_MS };
    calm.push(span);
    await until("the calm", () => performance.now() > span.toMs, { deadlineMs: SETTLE_MS });
  };
  try {
    await settled();
    const endsMs = performance.now() + soakMinutes * 60_000;
    while (performance.now() < endsMs && wrong.length === 0) {
      const beganMs = performance.now();
      const what = await faults.play();
      done.push(`${Math.round(beganMs)}: ${what}`);
      await settled();
    }
  } catch (error) {
    say(`OUTRIDER_SEED=${seed}; what was done:\n${done.slice(-20).join("\n")}`);
    throw error;
  } finally {
    await witness.stop();
    const seen = await Promise.all(watches.map((watch) => watch.stop()));
    const answers = seen.reduce((sum, each) => sum + each.answers, 0);
    const slow = faults.spans.filter(({ kind }) => kind === "slow").length;
    say(
      `soak: ${done.length} faults, ${answers} verdicts, ${wrong.length} wrong; brokers were slow ${slow} times`,
    );
    if (wrong.length > 0) {
      say(`OUTRIDER_SEED=${seed}\n${done.slice(-5).join("\n")}\n${wrong.join("\n")}`);
    }
  }
  expect(wrong).toEqual([]);
  leaksNothing(vitals);
}

function leaksNothing(vitals: readonly Vitals[]): void {
  const [first, last] = [vitals[0], vitals.at(-1)];
  if (first === undefined || last === undefined) throw new Error("nothing was measured");
  const half = vitals.slice(Math.floor(vitals.length / 2));
  const slopeOf = (some: readonly Vitals[]) =>
    slopePerMinute(some.map(({ atMs, anonKb }) => ({ atMs, value: anonKb })));
  const [whole, slope] = [slopeOf(vitals), slopeOf(half)];
  const most = Math.max(...vitals.map(({ rssKb }) => rssKb));
  const cpu = ((last.cpuMs - first.cpuMs) / (last.atMs - first.atMs)) * 100;
  say(
    `soak: RSS ${first.rssKb} kB, then ${last.rssKb}, at most ${most}; its own ${whole.toFixed(0)} kB a minute, in the second half ${slope.toFixed(0)}; ` +
      `descriptors ${first.descriptors}, then ${last.descriptors}; threads ${first.threads}, then ${last.threads}; CPU ${cpu.toFixed(1)} %`,
  );
  expect(most).toBeLessThan(RSS_KB_MAX);
  expect(last.descriptors).toBeLessThanOrEqual(first.descriptors + DESCRIPTORS_MORE_MAX);
  if (soakMinutes >= SLOPE_MINUTES_MIN) expect(slope).toBeLessThan(SLOPE_KB_MAX);
}
