/** The faults of the soak: drawn by chance, carried out, and written down as they begin and end. */

import type { Sidecar } from "../bed/broker-sidecar/sidecar.ts";
import type { Sidecars } from "../bed/broker-sidecar.ts";
import { until } from "../bed/condition.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import type { Chance } from "./random.ts";
import type { Span } from "./soak-model.ts";

const LONGEST_MS = 60_000;
/** How long a fault lasts: mostly shorter than Kafka's own timeouts, some far longer. */
const MS_MIN = 500;
const MS_MAX = 9_000;
const LONG_SHARE = 0.2;
const LONG_MS = 12_000;
/** Its sidecar is never killed: what it leaks adds up. */
export const STEADY = 0;

export type Faults = {
  readonly spans: readonly Span[];
  /** Writes down that one began. */
  readonly begin: (kind: Span["kind"], node: number) => Span;
  /** The sidecar beside a node now. */
  readonly sidecarOf: (node: number) => Sidecar;
  /** Plays one fault to its end, when all that it ended runs again; resolves to what it was. */
  readonly play: () => Promise<string>;
};

export function openFaults(deps: {
  readonly kafka: KafkaBed;
  readonly sidecars: Sidecars;
  readonly chance: Chance;
}): Faults {
  const { kafka, sidecars, chance } = deps;
  const spans: Span[] = [];
  const current = new Map(sidecars.all.map((each) => [each.id, each]));
  const nodes = kafka.brokers.map(({ id }) => id);
  const sidecarOf = (node: number): Sidecar => {
    const found = current.get(node);
    if (found === undefined) throw new Error(`no sidecar beside node ${node}`);
    return found;
  };
  const begin = (kind: Span["kind"], node: number): Span => {
    const span = { kind, node, fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY };
    spans.push(span);
    return span;
  };
  const end = (span: Span) => {
    span.toMs = performance.now();
  };
  const lasting = (ms: number): Promise<unknown> => {
    const endsMs = performance.now() + ms;
    return until("a fault to have lasted", () => performance.now() >= endsMs, {
      deadlineMs: LONGEST_MS,
    });
  };
  /** Its time ends with the new process: from there on it is starting. */
  const startAgain = async (node: number, span: Span) => {
    const started = kafka.broker(node).start();
    end(span);
    await started;
  };

  const kill = async (node: number, ms: number): Promise<string> => {
    const span = begin("away", node);
    await kafka.broker(node).kill("SIGKILL");
    await lasting(ms);
    await startAgain(node, span);
    return `kill ${node} for ${ms} ms`;
  };
  const stop = async (node: number, ms: number): Promise<string> => {
    const span = begin("away", node);
    await kafka.broker(node).stop();
    await lasting(ms);
    await startAgain(node, span);
    return `stop ${node} for ${ms} ms`;
  };
  const hang = async (node: number, ms: number): Promise<string> => {
    const span = begin("hung", node);
    await kafka.broker(node).kill("SIGSTOP");
    await lasting(ms);
    await kafka.broker(node).kill("SIGCONT");
    end(span);
    return `hang ${node} for ${ms} ms`;
  };
  const noQuorum = async (left: number, ms: number): Promise<string> => {
    await Promise.all(nodes.filter((node) => node !== left).map((node) => kill(node, ms)));
    return `only ${left} left for ${ms} ms`;
  };
  /** The one that is left restarts alone, and waits for a quorum. */
  const alone = async (left: number, ms: number): Promise<string> => {
    const others = nodes.filter((node) => node !== left);
    const gone = others.map((node) => kill(node, ms));
    await Promise.all([...gone, kill(left, Math.round(ms / 4))]);
    return `only ${left} left for ${ms} ms, and restarted meanwhile`;
  };
  const pause = async (node: number, ms: number): Promise<string> => {
    const span = begin("sidecar-hung", node);
    sidecarOf(node).process.kill("SIGSTOP");
    await lasting(ms);
    sidecarOf(node).process.kill("SIGCONT");
    end(span);
    return `pause sidecar ${node} for ${ms} ms`;
  };
  const renew = async (node: number): Promise<string> => {
    const span = begin("sidecar-away", node);
    const old = sidecarOf(node);
    old.process.kill("SIGKILL");
    await old.process.exited;
    current.set(node, await sidecars.start(node, { env: { PORT: old.env["PORT"] ?? "" } }));
    end(span);
    return `restart sidecar ${node}`;
  };
  const both = async (node: number, ms: number): Promise<string> =>
    (await Promise.all([pause(node, ms), kill(node, Math.round(ms / 2))])).join(" and ");

  /** Of a hundred faults. */
  const table = [
    { share: 20, fault: kill },
    { share: 15, fault: stop },
    { share: 20, fault: hang },
    { share: 13, fault: noQuorum },
    { share: 8, fault: alone },
    { share: 10, fault: pause },
    { share: 7, fault: both },
    { share: 7, fault: (node: number) => renew(node === STEADY ? STEADY + 1 : node) },
  ] as const;
  const play = (): Promise<string> => {
    const drawn = chance.pick(table.flatMap(({ share, fault }) => Array(share).fill(fault)));
    const node = chance.pick(nodes) ?? 0;
    const moreMs = chance.next() < LONG_SHARE ? LONG_MS : 0;
    return (drawn ?? hang)(node, Math.round(chance.between(MS_MIN, MS_MAX) + moreMs));
  };
  return { spans, begin, sidecarOf, play };
}
