import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../../../shared/clock.ts";
import { rotateLogs } from "../../../../../sidecar/control-plane/runtime/process/log-rotation.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "outrider-rotate-"));
});
afterEach(async () => await rm(directory, { recursive: true, force: true }));

const errors: string[] = [];
const rotate = (held: readonly string[] = ["a"]) =>
  rotateLogs({
    directory,
    bytesMax: 10,
    isHeld: (name) => held.includes(name),
    clock: systemClock,
    onError: (path) => errors.push(path),
  });
const put = async (file: string, text: string) => await writeFile(join(directory, file), text);
const contents = () =>
  Object.fromEntries(
    readdirSync(directory)
      .toSorted()
      .map((file) => [file, readFileSync(join(directory, file), "utf8")]),
  );

describe("rotateLogs()", () => {
  test("leaves a log of exactly the limit, cuts one past it", async () => {
    await put("a.log", "0123456789");
    rotate();
    expect(contents()).toEqual({ "a.log": "0123456789" });
    await put("a.log", "0123456789x");
    rotate();
    expect(contents()).toEqual({ "a.log": "", "a.log.1": "123456789x" });
  });

  test("keeps two old logs", async () => {
    for (const round of ["first", "second", "third"]) {
      await put("a.log", `${round} `.padEnd(11, "."));
      rotate();
    }
    expect(Object.keys(contents())).toEqual(["a.log", "a.log.1", "a.log.2"]);
    expect(contents()["a.log.1"]).toStartWith("hird");
    expect(contents()["a.log.2"]).toStartWith("econd");
  });

  test("rotates four in one go", async () => {
    for (let i = 0; i < 6; i += 1) await put(`${i}.log`, "x".repeat(11));
    rotate();
    expect(Object.values(contents()).filter((text) => text === "")).toHaveLength(4);
  });

  test("removes logs of a name that no worker has after a week", async () => {
    const old = new Date(Date.now() - 8 * 24 * 3600 * 1000);
    for (const file of ["a.log", "b.log", "b.log.1", "c.log", "notes.txt"]) {
      await put(file, "x");
      if (file !== "c.log") await utimes(join(directory, file), old, old);
    }
    rotate(["a"]);
    expect(Object.keys(contents())).toEqual(["a.log", "c.log", "notes.txt"]);
  });

  test("follows no link out of the directory", async () => {
    const target = join(directory, "target");
    await put("target", "y".repeat(100));
    await symlink(target, join(directory, "a-link-whose-path-is-longer-than-ten.log"));
    rotate();
    expect(readFileSync(target, "utf8")).toHaveLength(100);
    expect(errors).toHaveLength(1);
  });
});
