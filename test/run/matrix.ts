/**
 * Servers of other versions than the newest, and the test files that run on each once more. Those that are
 * `always` belong to every whole run; `bun run test --matrix` runs the others. Pure.
 */

type Variable = "BED_KAFKA" | "BED_KUBERNETES" | "BED_HELM" | "BED_DOCKER";

export type MatrixRow = {
  /** What the beds read. */
  readonly on: Readonly<Partial<Record<Variable, string>>>;
  /** Parts of the paths of test files. */
  readonly files: readonly string[];
  /** Chosen to add no more than about two minutes to a whole run, and no second build of Kubernetes. */
  readonly always: boolean;
};

const BROKER = [
  ...["system/broker-basic", "system/broker-roll", "fault/broker-cluster"],
  ...["fault/broker-directories", "fault/broker-identity", "fault/broker-own"],
] as const;
/** Nodes that are controllers alone: with Kafka's own controllers only. */
const ROLES = "fault/broker-roles";
const FLEET = ["system/kafka-door.test", "system/kafka-door-cluster", "system/lifecycle"] as const;

const CHARTS = "system/charts-kubernetes";
const DOCKER = [
  ...["bed/docker/engine-docker", "contract/runtime-address-docker"],
  ...["contract/runtime-engine-docker", "contract/runtime-names-docker"],
  ...["system/control-plane-docker", "system/images-docker", "system/take-over-docker"],
] as const;
const KUBERNETES = [
  ...["contract/runtime-cluster-kubernetes", "contract/runtime-kubernetes"],
  ...["system/broker-pod-kubernetes", CHARTS],
  ...["system/control-plane-kubernetes", "system/door-kubernetes"],
] as const;

const kafka = (version: string, files: readonly string[], { always = false } = {}): MatrixRow => ({
  on: { BED_KAFKA: version },
  files,
  always,
});

export const MATRIX: readonly MatrixRow[] = [
  kafka("2.8.2-zookeeper", ["system/broker-basic"], { always: true }),
  kafka("3.9.2", ["system/lifecycle"], { always: true }),
  kafka("2.8.2-zookeeper", BROKER.slice(1)),
  kafka("3.6.2-zookeeper", BROKER),
  kafka("3.6.2", [...BROKER, ROLES]),
  kafka("3.9.2", [...BROKER, ROLES, ...FLEET.slice(0, 2)]),
  kafka("4.1.2", [...BROKER, ROLES]),
  { on: { BED_HELM: "3.18.0" }, files: ["system/charts-values"], always: true },
  { on: { BED_HELM: "3.18.0" }, files: ["system/charts.test", CHARTS], always: false },
  { on: { BED_DOCKER: "29" }, files: ["contract/runtime-contract-docker"], always: false },
  { on: { BED_DOCKER: "29" }, files: DOCKER, always: false },
  { on: { BED_KUBERNETES: "1.34.4" }, files: KUBERNETES, always: false },
];

export type MatrixJob = {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** Such as `kafka 3.9.2`. */
  readonly label: string;
  readonly always: boolean;
};

/** @throws Error for a part of a path that no file has. */
export function matrixJobs(
  files: readonly string[],
  rows: readonly MatrixRow[] = MATRIX,
): readonly MatrixJob[] {
  return rows.flatMap(({ on, files: parts, always }) =>
    parts.flatMap((part) => {
      const found = files.filter((file) => file.includes(part));
      if (found.length === 0) throw new Error(`no test file has ${part} in its path`);
      return found.map((file) => ({ file, env: on, label: labelOf(on), always }));
    }),
  );
}

const labelOf = (on: MatrixRow["on"]): string =>
  Object.entries(on)
    .map(([name, version]) => `${name.slice("BED_".length).toLowerCase()} ${version}`)
    .join(", ");
