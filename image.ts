/**
 * `bun run image TAG=0.1.0`: the four images by `docker buildx`, for this machine, loaded into its engine.
 * `--push REPOSITORY=registry.example/team`: for linux/amd64 and linux/arm64, with provenance and a list of
 * contents, pushed. BASE_BUN and BASE_GLIBC replace the bases (Dockerfile.agent says what they need).
 *
 * Exit codes: 0, 64 for what was asked wrongly, 69 where docker or buildx is missing, else that of buildx.
 */
import { EXIT } from "./shared/exit.ts";
import { err, ok, type Result } from "./shared/result.ts";

const IMAGES = [
  { name: "outrider-agent", dockerfile: "Dockerfile.agent", target: undefined },
  { name: "outrider-control-plane", dockerfile: "Dockerfile.sidecar", target: "control-plane" },
  { name: "outrider-ingest", dockerfile: "Dockerfile.sidecar", target: "ingest" },
  { name: "outrider-sidecar", dockerfile: "Dockerfile.sidecar", target: "broker" },
] as const;
const PLATFORMS = "linux/amd64,linux/arm64";
/** https://github.com/distribution/reference: at most 128 characters. */
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/u;
const REPOSITORY = /^[a-z0-9]+(?:[._:/-]+[a-z0-9]+)*$/u;
const NAMES = ["TAG", "REPOSITORY", "BASE_BUN", "BASE_GLIBC"] as const;

export type ImageWish = {
  readonly tag: string;
  readonly push: boolean;
  /** Before the names; undefined: none. */
  readonly repository: string | undefined;
  /** Arguments of the Dockerfiles besides those of the source. */
  readonly bases: Readonly<Record<string, string>>;
};

export type Source = { readonly commit: string; readonly epoch: string };

/** An error is for a person. */
export function readImageWish(words: readonly string[]): Result<ImageWish, string> {
  const given = new Map<string, string>();
  let push = false;
  for (const word of words) {
    const [name = "", ...rest] = word.split("=");
    if (word === "--push") push = true;
    else if (rest.length > 0 && NAMES.some((known) => known === name))
      given.set(name, rest.join("="));
    else return err(`${word}: bun run image [--push] TAG=0.1.0 [REPOSITORY=registry.example/team]`);
  }
  const tag = given.get("TAG") ?? "";
  const repository = given.get("REPOSITORY");
  if (tag === "") return err("TAG is required: bun run image TAG=0.1.0");
  if (tag === "latest" || !TAG.test(tag)) return err(`TAG=${tag}: a version, and not "latest"`);
  if (repository !== undefined && !REPOSITORY.test(repository)) {
    return err(`REPOSITORY=${repository}: a registry and a path, such as registry.example/team`);
  }
  if (push && repository === undefined) {
    return err("--push needs REPOSITORY: where to push, such as registry.example/team");
  }
  const bases = Object.fromEntries(
    (["BUN", "GLIBC"] as const).flatMap((base) => {
      const image = given.get(`BASE_${base}`);
      return image === undefined ? [] : [[`${base}_IMAGE`, image]];
    }),
  );
  return ok({ tag, push, repository, bases });
}

/** The arguments of `docker`, one list per image. Pure. */
export function imageCommands(wish: ImageWish, source: Source): readonly (readonly string[])[] {
  const settings = {
    VERSION: wish.tag,
    COMMIT: source.commit,
    SOURCE_DATE_EPOCH: source.epoch,
    ...wish.bases,
  };
  return IMAGES.map(({ name, dockerfile, target }) => {
    const image = `${wish.repository === undefined ? "" : `${wish.repository}/`}${name}:${wish.tag}`;
    const output = wish.push
      ? ["--platform", PLATFORMS, "--provenance=true", "--sbom=true", "--push"]
      : ["--load"];
    return [
      ...["buildx", "build", "--file", dockerfile, "--tag", image],
      ...(target === undefined ? [] : ["--target", target]),
      ...output,
      ...Object.entries(settings).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]),
      ".",
    ];
  });
}

async function sourceOf(): Promise<Source> {
  const git = async (...args: readonly string[]) => {
    const run = await Bun.$`git -C ${import.meta.dir} ${args}`.quiet().nothrow();
    return run.exitCode === 0 ? run.text().trim() : undefined;
  };
  return {
    commit:
      (await git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")) ?? "unknown",
    epoch: (await git("log", "-1", "--format=%ct")) ?? "",
  };
}

/** Why it cannot be done here; undefined if it can. */
async function whatIsMissing(wish: ImageWish): Promise<string | undefined> {
  if (Bun.which("docker") === null) return "docker is not installed here";
  const buildx = await Bun.$`docker buildx version`.quiet().nothrow();
  if (buildx.exitCode !== 0) {
    return "docker has no buildx: install its plugin (docker-buildx-plugin), or build one image by DOCKER_BUILDKIT=0 docker build";
  }
  const builder = await Bun.$`docker buildx inspect --bootstrap`.quiet().nothrow();
  if (builder.exitCode !== 0) {
    return `the builder cannot be used: ${builder.stderr.toString().trim().split("\n").at(-1)}`;
  }
  const isSingle = /^Driver:\s+docker\s*$/mu.test(builder.stdout.toString());
  return wish.push && isSingle
    ? "the builder in use can build only one platform at a time: docker buildx create --use --driver docker-container"
    : undefined;
}

const complain = (line: string): void => {
  process.stderr.write(`image: ${line}\n`);
};

async function main(words: readonly string[]): Promise<number> {
  const wish = readImageWish(words);
  if (!wish.ok) {
    complain(wish.error);
    return EXIT.configuration;
  }
  const missing = await whatIsMissing(wish.value);
  if (missing !== undefined) {
    complain(missing);
    return EXIT.unavailable;
  }
  for (const command of imageCommands(wish.value, await sourceOf())) {
    const child = Bun.spawn(["docker", ...command], {
      cwd: import.meta.dir,
      stdio: ["ignore", "inherit", "inherit"],
    });
    const code = await child.exited;
    if (code !== 0) {
      complain(`docker ${command.join(" ")} ended with ${code}`);
      return code;
    }
  }
  return EXIT.done;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
