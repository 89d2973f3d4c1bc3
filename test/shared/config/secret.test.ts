/** Secrets: read when used, and known to the log afterwards. */
import { describe, expect, test } from "bun:test";
import { fileSecret, fixedSecret, secretValues } from "../../../shared/config/secret.ts";
import { err, ok } from "../../../shared/result.ts";

describe("fileSecret()", () => {
  const open = (contents: (string | undefined)[]) =>
    fileSecret("/s", () => {
      const text = contents.length > 1 ? contents.shift() : contents[0];
      return text === undefined ? err("the file /s cannot be read") : ok(text);
    });

  test("gives the newest content, and remembers the older ones for the log", () => {
    const secret = open(["one\n", "one\n", "two\r\n"]);
    if (!secret.ok) throw new Error(secret.error);
    expect([secret.value.read(), secret.value.read()]).toEqual(["one", "two"]);
    expect(secret.value.seen()).toEqual(["one", "two"]);
  });
  test("keeps the last value when the file goes away or is empty", () => {
    const secret = open(["one", undefined, "", "two"]);
    if (!secret.ok) throw new Error(secret.error);
    const { read } = secret.value;
    expect([read(), read(), read()]).toEqual(["one", "one", "two"]);
  });
  test("is an error when there is nothing to begin with", () => {
    expect(open([undefined])).toEqual(err("the file /s cannot be read"));
    expect(open(["\n"])).toEqual(err("the file /s is empty"));
  });
});

describe("secretValues()", () => {
  test("gives the values of all secrets but the public ones", () => {
    const config = {
      a: fixedSecret("hidden"),
      b: fixedSecret("password", { isPublic: true }),
      c: "text",
      d: undefined,
    };
    expect(secretValues(config)()).toEqual(["hidden"]);
  });
});
