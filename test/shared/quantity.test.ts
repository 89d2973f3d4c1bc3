/** Memory and CPU: Docker's meaning in, Kubernetes' form out. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { kubernetesCpu, kubernetesQuantity, parseBytes, parseCpu } from "../../shared/quantity.ts";

const MIB = 1024 * 1024;

describe("parseBytes()", () => {
  const right: readonly [string, number][] = [
    ["256M", 256 * MIB],
    ["256m", 256 * MIB],
    ["256MB", 256 * MIB],
    ["256Mi", 256 * MIB],
    ["256MiB", 256 * MIB],
    ["256 mb", 256 * MIB],
    ["1g", 1024 * MIB],
    ["0.5Gi", 512 * MIB],
    ["64k", 65_536],
    ["64Ki", 65_536],
    ["42", 42],
    ["42b", 42],
  ];
  test.each(right)("reads %s as %d", (text, bytes) => {
    expect(parseBytes(text)).toEqual({ ok: true, value: bytes });
  });
  test.each(["", "M", "-1M", "1x", "1MM", "1e3", "9999999P"])("refuses %p", (text) => {
    expect(parseBytes(text).ok).toBe(false);
  });
});

describe("kubernetesQuantity()", () => {
  const cases: readonly [number, string][] = [
    [0, "0"],
    [1, "1"],
    [1023, "1023"],
    [1024, "1Ki"],
    [1025, "1025"],
    [256 * MIB, "256Mi"],
    [1536 * MIB, "1536Mi"],
    [2048 * MIB, "2Gi"],
  ];
  test.each(cases)("writes %d as %s", (bytes, text) =>
    expect(kubernetesQuantity(bytes)).toBe(text),
  );
  test("loses nothing", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (n) => {
        const bytes = Math.abs(n);
        expect(parseBytes(kubernetesQuantity(bytes))).toEqual({ ok: true, value: bytes });
      }),
    );
  });
});

describe("parseCpu()", () => {
  const right: readonly [string, number, string][] = [
    ["0.5", 500, "500m"],
    ["500m", 500, "500m"],
    [".25", 250, "250m"],
    ["2", 2000, "2"],
    ["0.001", 1, "1m"],
    ["1.1", 1100, "1100m"],
  ];
  test.each(right)("reads %s as %d, which is %s", (text, millis, kubernetes) => {
    expect(parseCpu(text)).toEqual({ ok: true, value: millis });
    expect(kubernetesCpu(millis)).toBe(kubernetes);
  });
  test.each(["", "m", "-1", "0.0005", "1k", "1.5.1"])("refuses %p", (text) => {
    expect(parseCpu(text).ok).toBe(false);
  });
});
