/** The variables about the workers: what runs, where, and with which limits. */

import { pemProblem } from "../../shared/config/kafka.ts";
import { NEO4J_TABLE } from "../../shared/config/neo4j.ts";
import {
  bytes,
  command,
  cpu,
  duration,
  flag,
  oneOf,
  parsed,
  path,
  text,
} from "../../shared/config/schema.ts";
import { fileSecret } from "../../shared/config/secret.ts";
import { optional, optionalFile, withDefault } from "../../shared/config/table.ts";
import { err, ok } from "../../shared/result.ts";
import { SECRETS_MODES } from "./runtime/docker/container.ts";
import { parseLabels, parseVolumes } from "./runtime/docker/extras.ts";
import { parsePodTemplate } from "./runtime/kubernetes/pod-template.ts";
import { RUNTIMES } from "./runtime/runtime.ts";

const TEXT_CHARS_MAX = 4096;
/** Docker refuses less: https://docs.docker.com/engine/containers/resource_constraints/ */
const MEMORY_MIN_BYTES = 6 * 1024 * 1024;
const CPU_MIN_MILLIS = 10;
const STATE_DIR = "/var/lib/outrider";

const workerFile = (name: "CA" | "CERT" | "KEY", describe: string) =>
  optionalFile({
    name: `WORKER_TLS_${name}_FILE`,
    schema: path("a PEM file"),
    without: `no TLS_${name}_FILE, unless it is inherited`,
    describe: `${describe}: each worker gets it as TLS_${name}_FILE, on every runtime. A file of the control plane's; its content is copied when the worker starts`,
    open: (file, readFile) => {
      const content = fileSecret(file, readFile);
      if (!content.ok) return content;
      const wrong = pemProblem(
        content.value.read(),
        name === "KEY" ? "private key" : "certificate",
      );
      return wrong === undefined ? ok({ path: file, content: content.value }) : err(wrong);
    },
  });

export const WORKER_TABLE = {
  runtime: optional({
    name: "RUNTIME",
    schema: oneOf(RUNTIMES),
    without: "kubernetes when K8S_MODE; else docker when an engine's socket exists; else process",
    describe: "Where workers run",
  }),
  kubernetesMode: withDefault({
    name: "K8S_MODE",
    schema: flag(),
    default: "false",
    describe: "Run workers as Kubernetes Jobs, unless RUNTIME says otherwise",
    seed: true,
  }),
  dockerNetwork: withDefault({
    name: "DOCKER_NETWORK",
    schema: text(TEXT_CHARS_MAX, "a network's name"),
    default: "mini-server-prod_kg-network",
    describe: "Docker network of the workers",
    seed: true,
  }),
  graphBuilderImage: withDefault({
    name: "GRAPH_BUILDER_IMAGE",
    schema: text(TEXT_CHARS_MAX, "an image"),
    default: "anuragvishwa/kg-graph-builder:1.0.20",
    describe: "Image of the workers",
    seed: true,
  }),
  workerMinReadyMs: withDefault({
    name: "WORKER_MIN_READY",
    schema: duration({ minMs: 0 }),
    default: "60s",
    describe: "How long a replaced worker's successor must run before the next one is replaced",
  }),
  memoryLimitBytes: withDefault({
    name: "GB_MEMORY_LIMIT",
    schema: bytes({ minBytes: MEMORY_MIN_BYTES, shown: "6M" }),
    default: "256M",
    describe: "Memory of a worker; M is MiB on every runtime",
    seed: true,
  }),
  cpuLimitMillis: withDefault({
    name: "GB_CPU_LIMIT",
    schema: cpu({ minMillis: CPU_MIN_MILLIS }),
    default: "0.5",
    describe: "CPUs of a worker",
    seed: true,
  }),
  workerCommand: optional({
    name: "WORKER_COMMAND",
    schema: command(),
    without: "this binary's `ingest`",
    describe: "What the process runtime starts: split as a shell splits words, but run by no shell",
  }),
  processAsPid1: withDefault({
    name: "PROCESS_AS_PID_1",
    schema: flag(),
    default: "false",
    describe: "Allow RUNTIME=process as PID 1 of a container, where nothing reaps zombies",
  }),
  workerNamespace: optional({
    name: "WORKER_NAMESPACE",
    schema: text(TEXT_CHARS_MAX, "a namespace"),
    without: "our own",
    describe: "Kubernetes namespace of the workers",
  }),
  workerServiceAccount: withDefault({
    name: "WORKER_SERVICE_ACCOUNT",
    schema: text(TEXT_CHARS_MAX, "a service account"),
    default: "default",
    describe: "Kubernetes service account of the workers",
  }),
  workerSecret: optional({
    name: "WORKER_SECRET",
    schema: text(TEXT_CHARS_MAX, "a Secret's name"),
    without: "one is made for each worker, from NEO4J_PASS and WORKER_ENV_FILE",
    describe:
      "Kubernetes Secret in WORKER_NAMESPACE whose keys become variables of every worker. Workers then get no other secret; a key that is also a plain variable, such as NEO4J_URI, is ignored",
  }),
  kubeconfig: optional({
    name: "KUBECONFIG",
    schema: path("a file, or several with colons between"),
    without: "the pod's service account, else ~/.kube/config",
    describe: "Credentials for Kubernetes",
  }),
  workerEnvFile: optional({
    name: "WORKER_ENV_FILE",
    schema: path("a file of NAME=value lines"),
    without: "no further variables",
    describe: "The workers' own credentials; they never get the control plane's",
  }),
  workerSecrets: withDefault({
    name: "WORKER_SECRETS",
    schema: oneOf(SECRETS_MODES),
    default: "env",
    describe:
      "On Docker: secrets as variables, or as files that X_FILE names and `docker inspect` does not show",
  }),
  workerInheritKafkaAuth: withDefault({
    name: "WORKER_INHERIT_KAFKA_AUTH",
    schema: flag(),
    default: "false",
    describe:
      "Give workers the control plane's own SASL and TLS variables; on Docker and Kubernetes its TLS files are copied when the worker starts",
  }),
  workerTlsCaFile: workerFile("CA", "Authorities that may sign the broker's certificate"),
  workerTlsCertFile: workerFile("CERT", "The workers' client certificate"),
  workerTlsKeyFile: workerFile("KEY", "The key of WORKER_TLS_CERT_FILE"),
  workerLabels: optional({
    name: "WORKER_LABELS",
    schema: parsed(parseLabels, "name=value words, quoted as in a shell"),
    without: "no further labels",
    describe: "On Docker: more labels for the workers' containers",
  }),
  workerVolumes: optional({
    name: "WORKER_VOLUMES",
    schema: parsed(parseVolumes, "source:target words, each with :rw where it may be written"),
    without: "no volumes",
    describe:
      "On Docker: volumes, by name, or directories of the engine's host, read-only for workers; none that gives control over the engine or the kernel",
  }),
  workerPodTemplate: optionalFile({
    name: "WORKER_POD_TEMPLATE",
    schema: path("a file with a partial pod template, YAML or JSON"),
    without: "nothing is added",
    describe:
      "On Kubernetes: merged into the pod of every worker (metadata.labels and annotations, spec); read once, at the start",
    open: (file, readFile) => {
      const text = readFile(file);
      return text.ok ? parsePodTemplate(text.value) : text;
    },
  }),
  stateDir: withDefault({
    name: "STATE_DIR",
    schema: path("a directory"),
    default: {
      shown: `${STATE_DIR} when writable; else outrider in the user's state directory`,
      from: ({ text: get, host }) => {
        const home = get("HOME");
        const user = get("XDG_STATE_HOME") ?? (home === undefined ? home : `${home}/.local/state`);
        return host.writable(STATE_DIR) || user === undefined ? STATE_DIR : `${user}/outrider`;
      },
    },
    describe: "Where the process runtime keeps pid files and logs",
  }),
  ...NEO4J_TABLE,
} as const;
