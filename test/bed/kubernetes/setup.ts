/**
 * `bun test/bed/kubernetes/setup.ts`: builds what box.sh starts, once, in the user's cache: one Go binary
 * for all of Kubernetes and etcd, CoreDNS, two images, and a cluster's certificates. The first time it
 * takes 5 to 8 minutes and reports its progress; later a few milliseconds.
 *
 * If it can't be built, the reason is printed on standard output in one line, and the exit code is 69.
 */
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../../shared/exit.ts";
import { goBuild, say, step } from "../go.ts";
import { ensureHelm } from "../helm.ts";
import { BedUnavailable } from "../unavailable.ts";
import { writeImage } from "./image.ts";

const HERE = import.meta.dir;
const VERSION = Bun.env["BED_KUBERNETES"] || (await Bun.file(join(HERE, "newest")).text()).trim();
const HOME = join(homedir(), ".cache", "outrider", `kubernetes-${VERSION}`);
const BIN = join(HOME, "bin");
/** Contains a digest of all sources; written last. */
const MARKER = join(HOME, "complete");

/** Each version, with the file of the Go modules from which it is built. The first one is the default. */
const VERSIONS: Readonly<Record<string, string>> = { "1.37.2": "go.mod", "1.34.4": "1.34.mod" };
const PROGRAMS = [
  ...["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"],
  ...["kubelet", "kube-proxy", "kubectl"],
];

/** Debian's package of each program. */
const PACKAGES: Readonly<Record<string, string>> = {
  containerd: "containerd",
  runc: "runc",
  "/usr/lib/cni/bridge": "containernetworking-plugins",
  iptables: "iptables",
  nft: "nftables",
  conntrack: "conntrack",
  "/bin/busybox": "busybox-static",
  ip: "iproute2",
  openssl: "openssl",
  unzip: "unzip",
  curl: "curl",
};

const APPLETS = [
  ...["sh", "ls", "cat", "echo", "sleep", "wget", "nc", "httpd", "env", "id", "date", "true"],
  ...["false", "hostname", "ip", "nslookup", "kill", "ps", "df", "mount", "touch", "head", "seq"],
  ...["grep", "test", "dd", "tail"],
];

const isThere = async (program: string): Promise<boolean> =>
  program.startsWith("/") ? await Bun.file(program).exists() : Bun.which(program) !== null;

async function requirePackages(): Promise<void> {
  const missing: string[] = [];
  for (const [program, name] of Object.entries(PACKAGES)) {
    if (!(await isThere(program))) missing.push(name);
  }
  if (missing.length === 0) return;
  if (Bun.which("apt-get") === null) {
    throw new BedUnavailable(`the Kubernetes bed needs ${missing.join(", ")}: install them`);
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await step("looking for packages", ["apt-get", "update", "-q"], HERE, env);
  const install = ["apt-get", "install", "-y", "-q", "--no-install-recommends"];
  await step(`installing ${missing.join(" ")}`, [...install, ...missing], HERE, env);
}

/** Without the version, the components refuse each other. */
function linkerFlags(): string {
  const packages = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];
  const [major, minor] = VERSION.split(".");
  const values = {
    gitVersion: `v${VERSION}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    gitCommit: "bed",
    buildDate: "2025-01-01T00:00:00Z",
  };
  const flags = packages.flatMap((name) =>
    Object.entries(values).map(([variable, value]) => `-X ${name}.${variable}=${value}`),
  );
  return ["-s -w", ...flags].join(" ");
}

async function makeImages(): Promise<void> {
  await writeImage(join(HOME, "images", "pause.tar"), {
    name: "localhost/bed/pause:1",
    files: { "/pause": join(BIN, "pause") },
    entrypoint: ["/pause"],
  });
  await writeImage(join(HOME, "images", "busybox.tar"), {
    name: "localhost/bed/busybox:1",
    files: { "/bin/busybox": "/bin/busybox" },
    links: Object.fromEntries(APPLETS.map((name) => [`/bin/${name}`, "busybox"])),
    entrypoint: ["/bin/sh"],
  });
}

async function digestOfSources(modFile: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  const own = modFile.slice(0, -".mod".length);
  const files = [...new Bun.Glob("**/*.{go,mod,sum}").scanSync(HERE)].sort();
  for (const file of files) {
    if (file.startsWith("hyper/") && !file.endsWith(".go") && !file.startsWith(`hyper/${own}.`)) {
      continue;
    }
    hash.update(`${file}\n${await Bun.file(join(HERE, file)).text()}`);
  }
  for (const file of ["image.ts", "certificates.sh"]) {
    hash.update(await Bun.file(join(HERE, file)).text());
  }
  hash.update(JSON.stringify([linkerFlags(), PROGRAMS, APPLETS]));
  return hash.digest("hex");
}

async function main(): Promise<void> {
  const modFile = VERSIONS[VERSION];
  if (modFile === undefined) {
    const having = Object.keys(VERSIONS).join(", ");
    throw new Error(`BED_KUBERNETES=${VERSION}: the bed has ${having}`);
  }
  const digest = await digestOfSources(modFile);
  await requirePackages();
  // The registry cannot be reached from inside the box.
  await ensureHelm();
  const marker = Bun.file(MARKER);
  if ((await marker.exists()) && (await marker.text()) === digest) return;
  say(`making Kubernetes ${VERSION}, 5 to 8 minutes; only the first time`);
  await mkdir(BIN, { recursive: true });
  await mkdir(join(HOME, "images"), { recursive: true });
  const module = (name: string) => ({ directory: join(HERE, name), to: join(BIN, name) });
  await goBuild({ ...module("hyper"), what: "Kubernetes", modFile, linkerFlags: linkerFlags() });
  await step("naming the programs", [
    ...["bash", "-c", `for name in ${PROGRAMS.join(" ")}; do ln -sf hyper "$0/$name"; done`],
    BIN,
  ]);
  await goBuild({ ...module("coredns"), what: "CoreDNS" });
  await goBuild({ ...module("pause"), what: "pause" });
  await makeImages();
  await step("certificates", ["bash", join(HERE, "certificates.sh"), join(HOME, "pki")]);
  await Bun.write(MARKER, digest);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BedUnavailable)) throw error;
  process.stdout.write(`${error.message}\n`);
  process.exit(EXIT.unavailable);
}
