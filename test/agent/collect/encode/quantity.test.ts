/** Sums of quantities as Kubernetes writes them. */
import { describe, expect, test } from "bun:test";
import { sumOfQuantities } from "../../../../agent/collect/encode/quantity.ts";

describe("sumOfQuantities()", () => {
  const rows: readonly (readonly [readonly string[], string])[] = [
    [[], ""],
    [["100m"], "100m"],
    [["0.5"], "0.5"],
    [["100m", "1"], "1100m"],
    [["500m", "0.5"], "1"],
    [["250u", "250u"], "1m"],
    [["100n", "1"], "1001m"],
    [["128Mi", "64Mi"], "192Mi"],
    [["1Gi", "1Mi"], "1025Mi"],
    [["1.5Gi", "512Mi"], "2Gi"],
    [["128974848", "129e6"], "257974848"],
    [["1k", "1M"], "1001000"],
    [["1e3", "1E3"], "2000"],
    [["2E", "1"], "2000000000000000001"],
    [["1", "many"], "1"],
    [["1", "1e99"], "1"],
    [["1Mi", "1"], "1048577"],
    [["-1", "3"], "2"],
  ];
  test.each(rows)("of %j is %s", (quantities, want) => {
    expect(sumOfQuantities(quantities)).toBe(want);
  });
});
