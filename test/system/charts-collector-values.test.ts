/**
 * Every value of the original's chart, on ours: it shows in what is rendered, says what is so in any case, or the
 * install is refused with a sentence. The seed's own examples and the original's commands install unchanged.
 */
import { describe, expect, test } from "bun:test";
import { openHelm } from "../bed/helm.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { at, merged, NAMED, type Row } from "./chart-values.ts";
import { ROWS } from "./collector-values.ts";
import {
  chartPath,
  environmentOf,
  named,
  podOf,
  refusal,
  render,
  type Values,
} from "./manifest.ts";

const LIMIT_MS = 60_000;
const CHART = chartPath("cluster-info-collector");

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the collector's values: ${missing}\n`);

/** What is generated anew each time. */
const GENERATED = /"(?:password|tokens)":"\w{32,}[^"]*"/gu;

const renderings = new Map<string, Promise<readonly string[]>>();

/** Each object as JSON. */
async function objects(values: Values): Promise<readonly string[]> {
  const manifests = await render(CHART, values);
  return manifests.map((each) => JSON.stringify(each).replaceAll(GENERATED, ""));
}

/** Bases are rendered once; one that is refused, too, has nothing. */
function base(values: Values): Promise<readonly string[]> {
  const key = JSON.stringify(values);
  const known = renderings.get(key) ?? objects(values).catch(() => []);
  renderings.set(key, known);
  return known;
}

/** All that only one of the two has. */
const difference = (left: readonly string[], right: readonly string[]): string =>
  [
    ...left.filter((each) => !right.includes(each)),
    ...right.filter((each) => !left.includes(each)),
  ].join("\n");

async function outcome({ path, value, beside = {} }: Row): Promise<string> {
  const [before, after] = await Promise.all([
    base(beside),
    objects(merged(beside, at(path, value))).catch((error: unknown) => String(error)),
  ]);
  return typeof after === "string" ? `refused: ${after}` : difference(before, after);
}

const nameOf = ({ path, value, beside }: Row): string =>
  `${path}=${JSON.stringify(value)}${beside === undefined ? "" : ` beside ${JSON.stringify(beside)}`}`;

describe.skipIf(missing !== undefined)("a value of the original's chart", () => {
  const rows = (kind: keyof Row) =>
    ROWS.filter((row) => row[kind] !== undefined).map((row): [string, Row] => [nameOf(row), row]);

  test.each(rows("shows"))(
    "%s shows",
    async (_name, row) => {
      const said = await outcome(row);
      expect(said).not.toStartWith("refused");
      expect(said).toContain(row.shows ?? "");
    },
    LIMIT_MS,
  );

  test.each(rows("same"))(
    "%s is so in any case",
    async (_name, row) => {
      expect(await outcome(row)).toBe("");
    },
    LIMIT_MS,
  );

  test.each(rows("refused"))(
    "%s is refused with a sentence",
    async (_name, row) => {
      const said = await outcome(row);
      expect(said).toStartWith("refused");
      expect(said).toContain(row.refused ?? "");
    },
    LIMIT_MS,
  );

  test("is refused by name when it is misspelt", async () => {
    expect(await refusal(CHART, { collector: { shedule: "* * * * *" } })).toContain("shedule");
  });
});

/** Those of the seed, and of the original's README and scripts. */
const EXAMPLES: readonly (readonly [string, Values])[] = [
  [
    "the seed's development values",
    {
      collector: { schedule: "*/5 * * * *" },
      consumer: { replicaCount: 1, autoscaling: { enabled: false } },
      postgresql: { auth: { password: "devpassword" } },
    },
  ],
  [
    "the seed's production values",
    {
      collector: {
        schedule: "0 */1 * * *",
        resources: { requests: { cpu: "200m", memory: "256Mi" } },
      },
      consumer: { replicaCount: 5, autoscaling: { enabled: true, maxReplicas: 20 } },
      ingress: { enabled: true, hosts: [{ host: "cluster-info.example.com" }] },
    },
  ],
  [
    "the seed's external dependencies",
    {
      ...NAMED,
      kafka: { enabled: false, external: { brokers: "kafka-1:9092,kafka-2:9092" } },
      postgresql: { enabled: false },
      database: { host: "postgres.example.com", password: "secure-password" },
    },
  ],
  [
    "the README's external dependencies",
    {
      ...NAMED,
      kafka: { enabled: false, external: { enabled: true, brokers: "kafka-1.example.com:9092" } },
      postgresql: { enabled: false },
      database: {
        ...{ host: "postgres.example.com", port: 5432, username: "clusterinfo" },
        ...{ password: "external-db-password", database: "clusterinfo", sslmode: "require" },
      },
    },
  ],
  [
    "the values for local development",
    {
      collector: { schedule: "*/2 * * * *", image: { repository: "local/agent", tag: "dev" } },
      consumer: { replicaCount: 1, image: { pullPolicy: "Never", tag: "dev" } },
      postgresql: { primary: { persistence: { enabled: false } } },
      kafka: { persistence: { enabled: false } },
      config: { logLevel: "debug", logFormat: "text" },
    },
  ],
];

describe.skipIf(missing !== undefined)("the examples of the original", () => {
  test.each(EXAMPLES)(
    "%s are taken unchanged",
    async (_name, values) => {
      expect(await refusal(CHART, values)).toBeUndefined();
    },
    LIMIT_MS,
  );

  test(
    "its whole values file is refused for its images alone, and taken without them",
    async () => {
      const file = `${import.meta.dir}/../vector/seed/cluster-info-collector-values.yaml`;
      const whole: unknown = Bun.YAML.parse(await Bun.file(file).text());
      if (typeof whole !== "object" || whole === null) throw new Error("no values");
      expect(await refusal(CHART, { ...whole })).toContain("outrider-agent");
      const entries = Object.entries(whole).filter(
        ([name]) => !/^(?:i|consumerI)mage$/u.test(name),
      );
      expect(await refusal(CHART, Object.fromEntries(entries))).toBeUndefined();
    },
    LIMIT_MS,
  );

  test(
    "the seed's 20 consumers are as many as the topic has partitions, and 20 where it has 20",
    async () => {
      const [, production = {}] = EXAMPLES[1] ?? [];
      const name = "edge-cluster-info-collector-consumer";
      const of = async (values: Values) =>
        named(await render(CHART, values), "HorizontalPodAutoscaler", name).spec;
      expect(await of(production)).toMatchObject({ minReplicas: 2, maxReplicas: 3 });
      const twenty = merged(production, { kafka: { numPartitions: 20 } });
      expect(await of(twenty)).toMatchObject({ minReplicas: 2, maxReplicas: 20 });
    },
    LIMIT_MS,
  );

  test(
    "the seed's external servers are those that both programs are given",
    async () => {
      const [, external = {}] = EXAMPLES[2] ?? [];
      const manifests = await render(CHART, external);
      expect(manifests.filter(({ kind }) => kind === "StatefulSet")).toEqual([]);
      const consumer = podOf(
        named(manifests, "Deployment", "edge-cluster-info-collector-consumer"),
      );
      expect(consumer === undefined ? {} : environmentOf(consumer)).toMatchObject({
        KAFKA_BROKERS: "kafka-1:9092,kafka-2:9092",
        DB_HOST: "postgres.example.com",
        DB_SSL_MODE: "prefer",
      });
    },
    LIMIT_MS,
  );
});
