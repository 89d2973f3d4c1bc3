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
  "issue/wrong-node",
] as const;
/** Nodes that are controllers alone: with Kafka's own controllers only. */
const ROLES = "fault/broker-roles";
const FLEET = ["system/kafka-door.test", "system/kafka-door-cluster", "system/lifecycle"] as const;

const row = (
  on: MatrixRow["on"],
  files: readonly string[],
  { always = false } = {},
): MatrixRow => ({ on, files, always });
const kafka = (version: string, files: readonly string[], options = {}): MatrixRow =>
  row({ BED_KAFKA: version }, files, options);

export const MATRIX: readonly MatrixRow[] = [
  kafka("2.8.2-zookeeper", ["system/broker-basic"], { always: true }),
  kafka("3.9.2", ["system/lifecycle"], { always: true }),
  kafka("2.8.2-zookeeper", BROKER),
  kafka("3.6.2-zookeeper", BROKER),
  kafka("3.9.2-zookeeper", BROKER),
  // Without several log directories: Kafka's own controllers have known them since 3.7 (KIP-858). Before, a
  // replica whose directory is away is made again in another one, and Kafka does not start with both.
  kafka("3.6.2", [...BROKER.filter((file) => file !== "fault/broker-directories"), ROLES]),
  kafka("3.9.2", [...BROKER, ROLES, ...FLEET]),
  kafka("4.1.2", [...BROKER, ROLES]),
  row({ BED_HELM: "3.18.0" }, ["system/charts-values", "system/charts-collector.test"], {
    always: true,
  }),
  row({ BED_HELM: "3.18.0" }, ["system/charts", "issue/helm-hooks"]),
  row({ BED_DOCKER: "29" }, ["contract/runtime-contract-docker"], { always: true }),
  row({ BED_DOCKER: "29" }, ["-docker.test"]),
  row({ BED_KUBERNETES: "1.34.4" }, ["-kubernetes.test"]),
];

export type MatrixJob = {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** Such as `kafka 3.9.2`. */
  readonly label: string;
  readonly always: boolean;
};

/**
 * What an earlier row has on the same servers is not repeated.
 * @throws Error for a part of a path that no file has.
 */
export function matrixJobs(
  files: readonly string[],
  rows: readonly MatrixRow[] = MATRIX,
): readonly MatrixJob[] {
  const jobs = new Map<string, MatrixJob>();
  for (const { on, files: parts, always } of rows) {
    const label = labelOf(on);
    for (const part of parts) {
      const found = files.filter((file) => file.includes(part));
      if (found.length === 0) throw new Error(`no test file has ${part} in its path`);
      for (const file of found) {
        const key = `${file} ${label}`;
        if (!jobs.has(key)) jobs.set(key, { file, env: on, label, always });
      }
    }
  }
  return [...jobs.values()];
}

const labelOf = (on: MatrixRow["on"]): string =>
  Object.entries(on)
    .map(([name, version]) => `${name.slice("BED_".length).toLowerCase()} ${version}`)
    .join(", ");
