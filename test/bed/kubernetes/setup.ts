/**
 * `bun test/bed/kubernetes/setup.ts`: makes what box.sh starts, once, in the user's cache: one Go binary
 * for all of Kubernetes and etcd, CoreDNS, two images, and a cluster's certificates. Cold it takes
 * 5 to 8 minutes and says where it is; warm a few milliseconds.
 *
 * Where it can't be made, the reason is printed on standard output in one line, and the exit code is 69.
 */
import { mkdir, rename } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../../shared/exit.ts";
import { ensureHelm } from "../helm.ts";
import { BedUnavailable } from "../unavailable.ts";
import { writeImage } from "./image.ts";

const HERE = import.meta.dir;
const HOME = join(homedir(), ".cache", "outrider", "kubernetes");
const BIN = join(HOME, "bin");
/** Holds a digest of what all of it is made from; written last. */
const MARKER = join(HOME, "complete");
const PROGRESS_MS = 15_000;
const ERROR_LINES = 12;

const VERSION = "1.34.4";
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

const say = (line: string): void => {
  process.stderr.write(`kubernetes bed: ${line}\n`);
};

type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
};

/** Says that it works on it, every 15 s. @throws BedUnavailable with the end of what it printed. */
async function step(
  what: string,
  command: readonly string[],
  options: RunOptions = {},
): Promise<void> {
  const sinceMs = performance.now();
  const seconds = () => Math.round((performance.now() - sinceMs) / 1000);
  say(what);
  const progress = setInterval(() => say(`${what}: ${seconds()} s so far`), PROGRESS_MS);
  const child = Bun.spawn([...command], {
    cwd: options.cwd ?? HERE,
    env: { ...Bun.env, ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]).finally(() => clearInterval(progress));
  if (code === 0) return say(`${what}: done in ${seconds()} s`);
  const tail = `${out}\n${err}`.trimEnd().split("\n").slice(-ERROR_LINES).join("\n");
  process.stderr.write(`${tail}\n`);
  const last = err.trimEnd().split("\n").at(-1) ?? "";
  throw new BedUnavailable(`${what} failed with ${code}: ${last}`);
}

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
  await step("looking for packages", ["apt-get", "update", "-q"], { env });
  const install = ["apt-get", "install", "-y", "-q", "--no-install-recommends"];
  await step(`installing ${missing.join(" ")}`, [...install, ...missing], { env });
}

function requireGo(): void {
  if (Bun.which("go") !== null) return;
  throw new BedUnavailable(
    "the Kubernetes bed is built from Go modules: install Go 1.25 or later, then it takes about 6 minutes once",
  );
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

async function goBuild(module: string, what: string, flags = "-s -w"): Promise<void> {
  const cwd = join(HERE, module);
  const env = { CGO_ENABLED: "0" };
  await step(`${what}: fetching Go modules`, ["go", "mod", "download"], { cwd, env });
  const partial = join(BIN, `${module}.partial`);
  await step(
    `${what}: compiling`,
    ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false"].concat(
      `-ldflags=${flags}`,
      ...["-o", partial, "."],
    ),
    { cwd, env },
  );
  await rename(partial, join(BIN, module));
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

async function digestOfSources(): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for (const file of [...new Bun.Glob("**/*.{go,mod,sum}").scanSync(HERE)].sort()) {
    hash.update(`${file}\n${await Bun.file(join(HERE, file)).text()}`);
  }
  for (const file of ["image.ts", "certificates.sh"]) {
    hash.update(await Bun.file(join(HERE, file)).text());
  }
  hash.update(JSON.stringify([linkerFlags(), PROGRAMS, APPLETS]));
  return hash.digest("hex");
}

async function main(): Promise<void> {
  const digest = await digestOfSources();
  await requirePackages();
  // In the box there is no way to the registry.
  await ensureHelm();
  const marker = Bun.file(MARKER);
  if ((await marker.exists()) && (await marker.text()) === digest) return;
  requireGo();
  say(`making Kubernetes ${VERSION}, 5 to 8 minutes; only the first time`);
  await mkdir(BIN, { recursive: true });
  await mkdir(join(HOME, "images"), { recursive: true });
  await goBuild("hyper", "Kubernetes", linkerFlags());
  await step("naming the programs", [
    "bash",
    "-c",
    `for name in ${PROGRAMS.join(" ")}; do ln -sf hyper "$0/$name"; done`,
    BIN,
  ]);
  await goBuild("coredns", "CoreDNS");
  await goBuild("pause", "pause");
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
