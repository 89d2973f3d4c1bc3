/**
 * The Kubernetes of this box (box.sh), for the test that runs in it: its API by kubectl and helm, its
 * images, and its faults. Nothing has to be stopped: everything ends with the box.
 */
import { readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { requireBox } from "../box/box.ts";
import { until } from "../condition.ts";
import { ensureHelm } from "../helm.ts";
import { accepts } from "../port.ts";
import { signalProcess } from "../reaper.ts";
import { BedUnavailable } from "../unavailable.ts";

const ETCD = "http://127.0.0.1:12379";
const API_PORT = 16_443;
const SERVER = `https://127.0.0.1:${API_PORT}`;
const IMPORT = "images import --snapshotter".split(" ");
const READY_MS = 60_000;
const LOG_LINES = 25;

export type KubernetesBed = {
  /** A kubeconfig with cluster-admin rights. */
  readonly kubeconfig: string;
  /** Where a server of the test must listen for pods to reach it. */
  readonly nodeAddress: string;
  /** The cluster's certificate authority, PEM. */
  readonly caFile: string;
  readonly server: string;
  /** Standard output. @throws Error with standard error when it fails. */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  readonly helm: (args: readonly string[]) => Promise<string>;
  /** Server-side apply, with a field manager of its own. */
  readonly apply: (...objects: readonly object[]) => Promise<void>;
  /** Creates a namespace, with its default service account; `restricted`: the strictest Pod Security. */
  readonly makeNamespace: (name: string, options?: { restricted?: boolean }) => Promise<void>;
  /** Loads a tar archive of `writeImage` or `docker save`. */
  readonly loadImage: (tar: string) => Promise<void>;
  /** A kubeconfig with a token of that service account; `namespace` is its context's. */
  readonly kubeconfigOf: (namespace: string, serviceAccount: string) => Promise<string>;
  readonly apiServer: {
    readonly signal: (name: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT") => void;
    /** Starts it again after it was killed; resolves when it serves. */
    readonly start: () => Promise<void>;
  };
  /** Forgets the history of all objects up to now, as etcd does after five minutes. */
  readonly compact: () => Promise<void>;
  /** The ends of the components' logs, for a failed test. */
  readonly logTail: (lines?: number) => Promise<string>;
  /** The box's directory, for files of the test. */
  readonly directory: string;
};

/** @throws BedUnavailable outside such a box. */
export function openKubernetes(testFile: string): KubernetesBed {
  const missing = Bun.env["OUTRIDER_BOX_MISSING"] ?? "";
  if (missing !== "") throw new BedUnavailable(missing);
  requireBox("kubernetes", testFile);
  const directory = given("OUTRIDER_BOX_DIR");
  const pki = join(given("BED"), "pki");
  const kubeconfig = given("KUBECONFIG");
  const caFile = join(pki, "ca.crt");
  const kubectl = (args: readonly string[], input?: string) => run(["kubectl", ...args], input);
  const containerd = ["ctr", "-a", join(directory, "containerd.sock"), "-n", "k8s.io"];
  return {
    kubeconfig,
    nodeAddress: "10.97.0.1",
    caFile,
    server: SERVER,
    directory,
    kubectl,
    helm: async (args) => run([await ensureHelm(), ...args]),
    apply: async (...objects) => {
      const list = { apiVersion: "v1", kind: "List", items: objects };
      await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(list));
    },
    makeNamespace: async (name, { restricted = false } = {}) => {
      const labels = restricted ? { "pod-security.kubernetes.io/enforce": "restricted" } : {};
      const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
      await kubectl(["create", "-f", "-"], JSON.stringify(namespace));
      const account = ["get", "serviceaccount", "default", "-n", name];
      await until(`the service account of ${name}`, () => kubectl(account), {
        deadlineMs: READY_MS,
      });
    },
    loadImage: async (tar) => {
      const shot = (await Bun.file(join(directory, "snapshotter")).text()).trim();
      await run([...containerd, ...IMPORT, shot, tar]);
    },
    kubeconfigOf: async (namespace, serviceAccount) => {
      const token = await kubectl(["create", "token", serviceAccount, "-n", namespace]);
      const path = join(directory, "kubeconfigs", `${namespace}-${serviceAccount}`);
      await mkdir(join(directory, "kubeconfigs"), { recursive: true });
      await Bun.write(path, kubeconfigText(caFile, namespace, token.trim()), { mode: 0o600 });
      return path;
    },
    apiServer: {
      signal: (name) => {
        signalProcess(pidOf(directory, "apiserver"), name);
      },
      start: async () => {
        // A server that was just killed may still have the port.
        await until("the old API server's end", async () => !(await accepts(API_PORT)), {
          deadlineMs: READY_MS,
        });
        await run(["bash", join(import.meta.dir, "program.sh"), "apiserver"]);
        await until("the API server", () => kubectl(["get", "--raw", "/readyz"]), {
          deadlineMs: READY_MS,
        });
      },
    },
    compact: async () => {
      const header = v.object({ header: v.object({ revision: v.string() }) });
      const seen = v.parse(header, await etcd("range", { key: btoa("/") }));
      await etcd("compaction", { revision: seen.header.revision, physical: true });
    },
    logTail: async (lines = LOG_LINES) => {
      const logs = readdirSync(join(directory, "log"));
      const tails = await Promise.all(
        logs.map(async (file) => {
          const text = await Bun.file(join(directory, "log", file)).text();
          return `--- ${file}\n${text.trimEnd().split("\n").slice(-lines).join("\n")}`;
        }),
      );
      return tails.join("\n");
    },
  };
}

function given(name: string): string {
  const value = Bun.env[name] ?? "";
  if (value === "") throw new Error(`${name} is not set: this is no box of box.sh`);
  return value;
}

async function run(command: readonly string[], input = ""): Promise<string> {
  const child = Bun.spawn([...command], {
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code === 0) return out;
  throw new Error(`${command.join(" ")} ended with ${code}: ${err.trim() || out.trim()}`);
}

async function etcd(what: string, body: object): Promise<unknown> {
  const answer = await fetch(`${ETCD}/v3/kv/${what}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(READY_MS),
  });
  if (!answer.ok) throw new Error(`etcd ${what}: ${answer.status} ${await answer.text()}`);
  return await answer.json();
}

const pidOf = (directory: string, name: string): number =>
  Number(readFileSync(join(directory, `${name}.pid`), "utf8"));

const kubeconfigText = (caFile: string, namespace: string, token: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "bed", cluster: { server: SERVER, "certificate-authority": caFile } }],
    users: [{ name: "user", user: { token } }],
    contexts: [{ name: "bed", context: { cluster: "bed", user: "user", namespace } }],
    "current-context": "bed",
  });
