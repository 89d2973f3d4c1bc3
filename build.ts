/**
 * Builds the binaries: `bun run build` those of this host, dist/agent and dist/sidecar; `--all` those of
 * every Linux, dist/<program>-linux-<arch>[-musl], and dist/SHA256SUMS. Nothing is built again while its
 * inputs are unchanged (dist/.stamp), so that tests may call it each time.
 *
 * The same commit gives the same bytes: the build time is SOURCE_DATE_EPOCH or the commit's.
 *
 * `--only agent --arch arm64 --to DIR` builds one of them for an image (Dockerfile.agent). There is no git
 * in there, so OUTRIDER_COMMIT has the commit. Without --arch, for this machine.
 */
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";

const PROGRAMS = ["agent", "sidecar"] as const;
type Program = (typeof PROGRAMS)[number];

/** Bun's names of the targets, and our names of the files. */
const TARGETS = {
  "linux-x64": "bun-linux-x64",
  "linux-arm64": "bun-linux-arm64",
  "linux-x64-musl": "bun-linux-x64-musl",
  "linux-arm64-musl": "bun-linux-arm64-musl",
} as const;

/** By Docker's names of architectures. */
const DOCKER_TARGETS: ReadonlyMap<string, string> = new Map([
  ["amd64", TARGETS["linux-x64"]],
  ["arm64", TARGETS["linux-arm64"]],
]);

const INPUTS = new Bun.Glob("{agent,sidecar,shared}/**/*.{ts,json,sql}");
const MORE_INPUTS = ["build.ts", "package.json", "bun.lock", "tsconfig.json"] as const;
const HASH_CHARS = 32;

type Source = { readonly root: string; readonly dist: string };
type Stamp = { readonly version: string; readonly commit: string; readonly builtAt: string };
type Job = { readonly program: Program; readonly file: string; readonly target?: string };

export type BuildOptions = {
  /** The checkout. */
  readonly root: string;
  readonly all: boolean;
  /** SOURCE_DATE_EPOCH: seconds since 1970. */
  readonly sourceDateEpoch: string | undefined;
  readonly say: (line: string) => void;
};

/** Throws when a program does not compile; what compiled before it is kept. */
export async function build(options: BuildOptions): Promise<void> {
  const source = { root: options.root, dist: join(options.root, "dist") };
  const stamp = await readStamp(source, options.sourceDateEpoch);
  const inputs = await hashInputs(source, stamp);
  await mkdir(source.dist, { recursive: true });
  for (const job of jobs(options.all)) {
    const startMs = performance.now();
    const isMade = await compileIfChanged(source, stamp, job, inputs);
    const took = `${Math.round(performance.now() - startMs)} ms`;
    options.say(`dist/${job.file}: ${isMade ? `built in ${took}` : "unchanged"}`);
  }
  if (options.all) await writeSums(source);
}

export type OneOptions = {
  readonly root: string;
  readonly program: string;
  /** As Docker names it: amd64, arm64; empty for this machine. */
  readonly arch: string;
  /** Directory of the binaries; it is created if missing. */
  readonly to: string;
  readonly sourceDateEpoch: string | undefined;
  readonly commit: string | undefined;
};

/** Throws if the program or the architecture is unknown, or the program does not compile. */
export async function buildOne(options: OneOptions): Promise<void> {
  const program = PROGRAMS.find((name) => name === options.program);
  const target = options.arch === "" ? undefined : DOCKER_TARGETS.get(options.arch);
  if (program === undefined) throw new Error(`--only ${options.program}: ${PROGRAMS.join(", ")}`);
  if (target === undefined && options.arch !== "") {
    throw new Error(`--arch ${options.arch}: one of ${[...DOCKER_TARGETS.keys()].join(", ")}`);
  }
  const source = { root: options.root, dist: options.to };
  const stamp = await readStamp(source, options.sourceDateEpoch);
  const commit = options.commit ?? stamp.commit;
  const job = { program, file: program, ...(target === undefined ? {} : { target }) };
  await mkdir(options.to, { recursive: true });
  await compile(source, { ...stamp, commit }, job, join(options.to, program));
}

const jobs = (all: boolean): readonly Job[] =>
  PROGRAMS.flatMap((program): Job[] =>
    all
      ? Object.entries(TARGETS).map(([name, target]) => ({
          program,
          file: `${program}-${name}`,
          target,
        }))
      : [{ program, file: program }],
  );

async function readStamp(source: Source, sourceDateEpoch: string | undefined): Promise<Stamp> {
  const { version } = v.parse(
    v.object({ version: v.string() }),
    await Bun.file(join(source.root, "package.json")).json(),
  );
  // A source archive has no git: then neither commit nor time is known.
  const commit = await git(source, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*");
  const seconds = sourceDateEpoch ?? (await git(source, "log", "-1", "--format=%ct"));
  const builtAt = seconds === undefined ? undefined : new Date(Number(seconds) * 1000);
  return {
    version,
    commit: commit ?? "unknown",
    builtAt: builtAt?.toISOString().replace(".000Z", "Z") ?? "unknown",
  };
}

async function git(source: Source, ...args: readonly string[]): Promise<string | undefined> {
  const run = await Bun.$`git -C ${source.root} ${args}`.quiet().nothrow();
  return run.exitCode === 0 ? run.text().trim() : undefined;
}

async function hashInputs(source: Source, stamp: Stamp): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  hash.update(JSON.stringify({ stamp, bun: Bun.version, platform: process.platform }));
  const paths = [...INPUTS.scanSync(source.root), ...MORE_INPUTS].sort();
  for (const path of paths) {
    const file = Bun.file(join(source.root, path));
    const bytes = (await file.exists()) ? await file.bytes() : new Uint8Array();
    hash.update(`${path}\0${bytes.byteLength}\0`).update(bytes);
  }
  return hash.digest("hex").slice(0, HASH_CHARS);
}

/**
 * Two builds at the same time each build their own, and the last one wins: files are moved into place when
 * complete.
 */
async function compileIfChanged(
  source: Source,
  stamp: Stamp,
  job: Job,
  inputs: string,
): Promise<boolean> {
  const out = join(source.dist, job.file);
  const made = Bun.file(join(source.dist, ".stamp", job.file));
  if ((await Bun.file(out).exists()) && (await made.exists()) && (await made.text()) === inputs) {
    return false;
  }
  const temporary = await mkdtemp(join(source.dist, ".build-"));
  try {
    await compile(source, stamp, job, join(temporary, job.program));
    await rename(join(temporary, job.program), out);
    await rename(join(temporary, `${job.program}.map`), `${out}.map`);
    await Bun.write(made, inputs);
    return true;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function compile(source: Source, stamp: Stamp, job: Job, outfile: string): Promise<void> {
  const text = (value: string) => JSON.stringify(value);
  const flags = [
    ...["--compile", "--minify", "--bytecode", "--format=esm", "--sourcemap"],
    // A module that only one command imports costs the others no memory; for the broker sidecar that saves 10 MB.
    "--splitting",
    // A stray .env or bunfig.toml in the working directory must not be read as configuration.
    ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
    // A native accelerator of ssh2, a dependency of dockerode; it is optional, and we use no SSH.
    ...["--external", "cpu-features"],
    ...["--define", `OUTRIDER_VERSION=${text(stamp.version)}`],
    ...["--define", `OUTRIDER_COMMIT=${text(stamp.commit)}`],
    ...["--define", `OUTRIDER_BUILT_AT=${text(stamp.builtAt)}`],
    ...(job.target === undefined ? [] : [`--target=${job.target}`]),
  ];
  const run =
    await Bun.$`${process.execPath} build ${flags} ${job.program}/main.ts --outfile ${outfile}`
      .cwd(source.root)
      .quiet()
      .nothrow();
  if (run.exitCode !== 0) throw new Error(`${job.file} does not compile:\n${run.stderr}`);
}

/** In the form of sha256sum(1), so that `sha256sum -c SHA256SUMS` checks them. */
async function writeSums(source: Source): Promise<void> {
  const lines: string[] = [];
  for (const { file } of jobs(true)) {
    const hash = new Bun.CryptoHasher("sha256");
    hash.update(await Bun.file(join(source.dist, file)).bytes());
    lines.push(`${hash.digest("hex")}  ${file}\n`);
  }
  await Bun.write(join(source.dist, "SHA256SUMS"), lines.join(""));
}

/** The word after a flag; undefined without the flag. */
function flagValue(flag: string): string | undefined {
  const at = process.argv.indexOf(flag);
  return at === -1 ? undefined : (process.argv[at + 1] ?? "");
}

if (import.meta.main) {
  const sourceDateEpoch = process.env["SOURCE_DATE_EPOCH"] || undefined;
  const program = flagValue("--only");
  if (program === undefined) {
    await build({
      root: import.meta.dir,
      all: process.argv.includes("--all"),
      sourceDateEpoch,
      say: (line) => process.stdout.write(`${line}\n`),
    });
  } else {
    await buildOne({
      root: import.meta.dir,
      ...{ program, sourceDateEpoch },
      arch: flagValue("--arch") ?? "",
      to: flagValue("--to") ?? "dist",
      commit: process.env["OUTRIDER_COMMIT"],
    });
  }
}
