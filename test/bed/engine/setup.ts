/**
 * `bun test/bed/engine/setup.ts`: builds a current container engine from Go modules, once, in the user's
 * cache: containerd 2 with its shim and `ctr`, runc, and the Docker Engine. Prints the folder of the
 * programs, to be put first on the PATH. Several processes may do this at the same time: the first to get
 * the lock builds, the others wait.
 *
 * If the engine can't be built, the reason is printed on standard error, and the exit code is 69.
 */
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../../shared/exit.ts";
import { goBuild, say } from "../go.ts";
import { BedUnavailable } from "../unavailable.ts";

const HERE = import.meta.dir;
/** The module of the 29 line has other numbers than its releases. */
const DOCKER = "2.0.0-beta.24";
const HOME = join(homedir(), ".cache", "outrider", "engine-29");
const BIN = join(HOME, "bin");
/** Contains a digest of the programs' sources; written last. */
const MARKER = join(HOME, "complete");
const CONTAINERD = "github.com/containerd/containerd/v2";
const MOBY = "github.com/moby/moby/v2";
const PROGRAMS = {
  runc: "github.com/opencontainers/runc",
  containerd: `${CONTAINERD}/cmd/containerd`,
  "containerd-shim-runc-v2": `${CONTAINERD}/cmd/containerd-shim-runc-v2`,
  ctr: `${CONTAINERD}/cmd/ctr`,
  dockerd: `${MOBY}/cmd/dockerd`,
} as const;

async function digestOfSources(): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for (const file of ["go.mod", "go.sum"]) hash.update(await Bun.file(join(HERE, file)).text());
  hash.update(JSON.stringify([PROGRAMS, DOCKER]));
  return hash.digest("hex");
}

async function main(): Promise<void> {
  const digest = await digestOfSources();
  const marker = Bun.file(MARKER);
  if ((await marker.exists()) && (await marker.text()) === digest) return;
  say("making containerd 2 and Docker Engine 29, 5 to 8 minutes; only the first time");
  await mkdir(BIN, { recursive: true });
  const linkerFlags = `-s -w -X ${MOBY}/dockerversion.Version=${DOCKER}`;
  for (const [program, name] of Object.entries(PROGRAMS)) {
    const to = join(BIN, program);
    const cgo = program === "runc";
    await goBuild({ what: program, directory: HERE, package: name, linkerFlags, cgo, to });
  }
  await Bun.write(MARKER, digest);
}

try {
  await main();
  process.stdout.write(`${BIN}\n`);
} catch (error) {
  if (!(error instanceof BedUnavailable)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT.unavailable);
}
