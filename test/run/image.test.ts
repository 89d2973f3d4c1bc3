/** `bun run image`: what it asks docker for, and what it refuses. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type ImageWish, imageCommands, readImageWish } from "../../image.ts";

const SOURCE = { commit: "0123456789ab", epoch: "1700000000" };
const wish = (more: Partial<ImageWish> = {}): ImageWish => ({
  ...{ tag: "0.1.0", push: false, repository: undefined, bases: {} },
  ...more,
});

test("imageCommands() without --push loads this machine's images, each from its target", () => {
  const commands = imageCommands(wish(), SOURCE).map((words) => words.join(" "));
  expect(commands).toHaveLength(4);
  expect(commands[0]).toBe(
    "buildx build --file Dockerfile.agent --tag outrider-agent:0.1.0 --load --build-arg VERSION=0.1.0 " +
      "--build-arg COMMIT=0123456789ab --build-arg SOURCE_DATE_EPOCH=1700000000 .",
  );
  expect(commands[1]).toContain("--tag outrider-control-plane:0.1.0 --target control-plane --load");
  expect(commands[2]).toContain("--tag outrider-ingest:0.1.0 --target ingest --load");
  expect(commands[3]).toContain("--tag outrider-sidecar:0.1.0 --target broker --load");
});

test("imageCommands() with --push makes both platforms, and names the repository", () => {
  const pushed = imageCommands(wish({ push: true, repository: "registry.example/team" }), SOURCE);
  for (const words of pushed) {
    expect(words).toContain("--push");
    expect(words.join(" ")).toContain("--platform linux/amd64,linux/arm64");
    expect(words.join(" ")).toContain("--tag registry.example/team/outrider-");
  }
});

test("imageCommands() hands other bases on", () => {
  const [first = []] = imageCommands(wish({ bases: { BUN_IMAGE: "localhost/bun:1" } }), SOURCE);
  expect(first.join(" ")).toContain("--build-arg BUN_IMAGE=localhost/bun:1");
});

describe("readImageWish()", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["", "TAG is required"],
    ["TAG=latest", 'not "latest"'],
    ["TAG=a/b", "TAG=a/b"],
    ["TAG=1 --push", "--push needs REPOSITORY"],
    ["TAG=1 REPOSITORY=Team", "REPOSITORY=Team"],
    ["TAG=1 --force", "--force"],
    ["TAG=1 NAME=x", "NAME=x"],
  ];
  test.each(refused)("%p is refused", (line, message) => {
    const read = readImageWish(line === "" ? [] : line.split(" "));
    expect(read.ok ? "" : read.error).toContain(message);
  });
  test("takes tag, repository and bases", () => {
    const words = ["--push", "TAG=1.0", "REPOSITORY=localhost:5000/a", "BASE_GLIBC=g:1"];
    expect(readImageWish(words)).toEqual({
      ok: true,
      value: {
        ...{ tag: "1.0", push: true, repository: "localhost:5000/a" },
        bases: { GLIBC_IMAGE: "g:1" },
      },
    });
  });
});

test("bun run image says what is missing where there is no docker", async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../image.ts"), "TAG=1"], {
    env: { PATH: "/nowhere" },
    stdout: "ignore",
    stderr: "pipe",
  });
  const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
  expect(said).toBe("image: docker is not installed here\n");
  expect(code).toBe(69);
});
