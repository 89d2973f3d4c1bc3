import { describe, expect, test } from "bun:test";
import { parseDatabaseUrl } from "../../../shared/postgres/settings.ts";

const read = (text: string) => {
  const found = parseDatabaseUrl(text);
  return found.ok ? found.value : found.error;
};

describe("parseDatabaseUrl()", () => {
  test("reads every part", () => {
    const text = "postgresql://u%40x:p%2Fw@[::1]:6000/db?sslmode=verify-ca&sslrootcert=/ca.pem";
    expect(read(text)).toEqual({
      ...{ host: "::1", port: 6000, user: "u@x", password: "p/w", database: "db" },
      ...{ sslMode: "verify-ca", caFile: "/ca.pem", certFile: undefined, keyFile: undefined },
    });
  });
  test("has libpq's defaults", () => {
    expect(read("postgres://")).toMatchObject({
      ...{
        host: "localhost",
        port: 5432,
        user: "postgres",
        database: "postgres",
        sslMode: "prefer",
      },
    });
    expect(read("postgres://me@h")).toMatchObject({ user: "me", database: "me" });
    expect(read("postgres:///db?host=/run/postgresql&port=5433")).toMatchObject({
      ...{ host: "/run/postgresql", port: 5433 },
    });
  });
  test.each([
    ["no URL s3cr3t", "no URL"],
    ["mysql://u:s3cr3t@h/d", "postgres://"],
    ["postgres://u:s3cr3t%@h/d", "%XX"],
    ["postgres://u:s3cr3t@h/d?sslmode=maybe", "sslmode"],
    ["postgres://u:s3cr3t@h/d?port=99999", "port"],
  ])("refuses %p and does not quote it", (text, why) => {
    expect(read(text)).toContain(why);
    expect(read(text)).not.toContain("s3cr3t");
  });
});
