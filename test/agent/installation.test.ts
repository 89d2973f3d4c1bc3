/** Where an installation's id comes from, and that none is invented. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readInstallation, serviceAccountUid } from "../../agent/installation.ts";

const UID = "0b2f6a0e-4c1d-4f37-9d59-0a6c2f1c7e11";
const part = (json: unknown) => Buffer.from(JSON.stringify(json)).toString("base64url");
const tokenOf = (claims: unknown) => `${part({ alg: "RS256" })}.${part(claims)}.c2lnbmF0dXJl`;
const TOKEN = tokenOf({
  aud: ["outrider"],
  sub: "system:serviceaccount:observability:kg",
  "kubernetes.io": { namespace: "observability", serviceaccount: { name: "kg", uid: UID } },
});
const aDirectory = () => mkdtempSync(join(tmpdir(), "outrider-agent-"));
const from = (stateDir?: string, installationTokenFile?: string) => ({
  stateDir,
  installationTokenFile,
});

describe("serviceAccountUid()", () => {
  test("is the uid in the claims of a ServiceAccount's token", () => {
    expect(serviceAccountUid(`${TOKEN}\n`)).toBe(UID);
  });
  test.each([
    [""],
    ["not a token"],
    ["a.b.c"],
    [`${part({})}.${part({})}.x`],
    [tokenOf({ sub: "somebody" })],
    [tokenOf({ "kubernetes.io": { serviceaccount: { uid: "x" } } })],
    [tokenOf(null)],
  ])("of %p is undefined", (token) => {
    expect(serviceAccountUid(token)).toBeUndefined();
  });
});

describe("readInstallation()", () => {
  test("without a source there is none, and that is no problem", () => {
    expect(readInstallation(from(), true)).toEqual({ id: undefined, problem: undefined });
  });

  test("a state directory keeps it: made once, and the same ever after", () => {
    const directory = join(aDirectory(), "new");
    const { id, problem } = readInstallation(from(directory), true);
    expect(problem).toBeUndefined();
    expect(id).toMatch(/^[0-9a-f-]{36}$/u);
    expect(readInstallation(from(directory), true).id).toBe(id);
    expect(readInstallation(from(directory), false).id).toBe(id);
    expect(readdirSync(directory)).toEqual(["installation-id"]);
  });

  test("a command that withdraws makes none", () => {
    const directory = aDirectory();
    expect(readInstallation(from(directory), false)).toEqual({ id: undefined, problem: undefined });
    expect(readdirSync(directory)).toEqual([]);
  });

  test.each([[""], ["garbage"]])("what a crash left (%p) is no id and is replaced", (left) => {
    const directory = aDirectory();
    writeFileSync(join(directory, "installation-id"), left);
    expect(readInstallation(from(directory), false).id).toBeUndefined();
    const { id } = readInstallation(from(directory), true);
    expect(readFileSync(join(directory, "installation-id"), "utf8").trim()).toBe(id ?? "");
  });

  test("a token wins over a directory, and one that cannot be read is a problem, not another id", () => {
    const directory = aDirectory();
    const token = join(directory, "token");
    writeFileSync(token, TOKEN);
    expect(readInstallation(from(directory, token), true).id).toBe(UID);
    const missing = readInstallation(from(directory, join(directory, "none")), true);
    expect(missing.id).toBeUndefined();
    expect(missing.problem).toContain("INSTALLATION_TOKEN_FILE");
    writeFileSync(token, "opaque");
    expect(readInstallation(from(undefined, token), true).problem).toContain("ServiceAccount");
  });

  test("a directory that cannot be made is a problem", () => {
    const file = join(aDirectory(), "file");
    writeFileSync(file, "");
    expect(readInstallation(from(file), true).problem).toContain("STATE_DIR");
  });
});
