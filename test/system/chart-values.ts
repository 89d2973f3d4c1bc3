/** What becomes of one value of a chart, and values put together. Pure. */
import type { Values } from "./manifest.ts";

export type Row = {
  readonly path: string;
  readonly value: unknown;
  /** Of both renderings: what makes the value matter. */
  readonly beside?: Values;
  /** A text of what is rendered otherwise because of the value. */
  readonly shows?: string;
  /** A text of the sentence with which the install fails. */
  readonly refused?: string;
  /** It says what is so in any case. */
  readonly same?: true;
};

/** `{a: {b: 1}}` of `a.b` and 1. */
export function at(path: string, value: unknown): Values {
  const [first = "", ...rest] = path.split(".");
  return { [first]: rest.length === 0 ? value : at(rest.join("."), value) };
}

const isValues = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** As helm merges: maps by key, everything else as a whole, the later one wins. */
export function merged(...all: readonly Values[]): Values {
  const sum = new Map<string, unknown>();
  for (const [name, value] of all.flatMap((values) => Object.entries(values))) {
    const before = sum.get(name);
    sum.set(name, isValues(before) && isValues(value) ? merged(before, value) : value);
  }
  return Object.fromEntries(sum);
}

export const EXTERNAL_KAFKA = { kafka: { enabled: false }, externalKafka: { brokers: "a:9092" } };
export const EXTERNAL_DATABASE = {
  postgresql: { enabled: false },
  externalPostgresql: { host: "db", password: "p" },
};
export const NAMED = { client: { id: "one" } };

const SIZE = { requests: { cpu: "321m", memory: "321Mi" }, limits: { cpu: "4", memory: "4Gi" } };
const PLACE = [{ key: "edge", operator: "Exists" }];
const AFFINITY = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } };

/** Of a pod of its own: how large it is, and where it runs. */
export const placed = (pod: string): readonly Row[] => [
  { path: `${pod}.resources`, value: SIZE, shows: "321Mi" },
  { path: `${pod}.nodeSelector`, value: { disk: "ssd" }, shows: '"disk":"ssd"' },
  { path: `${pod}.tolerations`, value: PLACE, shows: '"key":"edge"' },
  { path: `${pod}.affinity`, value: AFFINITY, shows: "nodeAffinity" },
];
