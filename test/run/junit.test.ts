import { describe, expect, test } from "bun:test";
import { parseReport } from "./junit.ts";

/** As bun 1.4.5 writes it. */
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="4" assertions="1" failures="1" skipped="1" time="0.006777533">
  <testsuite name="a.test.ts" file="test/a.test.ts" tests="3" assertions="1" failures="1" skipped="1" time="0.25" hostname="vm">
    <testsuite name="retry()" file="test/a.test.ts" line="2" tests="3" assertions="1" failures="1" skipped="1" time="0" hostname="vm">
      <testcase name="gives up &lt;at&gt; 3" classname="retry()" time="0.000059" file="a.test.ts" line="2" assertions="0" />
      <testcase name="c" classname="" time="0.000215" file="a.test.ts" line="2" assertions="1">
        <failure type="AssertionError" message="expect(received)">AssertionError</failure>
      </testcase>
      <testcase name="b" classname="" time="0" file="a.test.ts" line="2" assertions="0">
        <skipped />
      </testcase>
    </testsuite>
  </testsuite>
  <testsuite name="b.test.ts" file="test/b.test.ts" tests="1" assertions="0" failures="0" skipped="0" time="1.5" hostname="vm">
    <testcase name="a" classname="" time="1.5" file="b.test.ts" line="2" assertions="0" />
  </testsuite>
</testsuites>`;

const UNAVAILABLE = `<testsuites name="bun test" tests="1" assertions="0" failures="1" skipped="0" time="0.007">
  <testsuite name="b.test.ts" file="b.test.ts" tests="1" assertions="0" failures="1" skipped="0" time="0.002">
    <testcase name="(unnamed)" classname="" time="0.000376" file="b.test.ts" assertions="0">
      <failure type="BedUnavailable" message="Java &amp; Maven: install&#10;&quot;java&quot;">BedUnavailable</failure>
    </testcase>
  </testsuite>
</testsuites>`;

describe("parseReport()", () => {
  test("sums each test once, and tells files from the suites inside them", () => {
    const report = parseReport(REPORT);
    expect(report?.total).toEqual({ passed: 2, failed: 1, skipped: 1 });
    expect(report?.files).toEqual([
      { file: "test/a.test.ts", passed: 1, failed: 1, skipped: 1, seconds: 0.25 },
      { file: "test/b.test.ts", passed: 1, failed: 0, skipped: 0, seconds: 1.5 },
    ]);
    expect(report?.unavailable).toBeUndefined();
  });
  test("knows a server that could not be had from a failure", () => {
    const report = parseReport(UNAVAILABLE);
    expect(report?.unavailable).toBe('Java & Maven: install\n"java"');
  });
  test.each([
    ["nothing", ""],
    ["text", "Segmentation fault"],
    ["a report of no test", '<testsuites name="bun test" tests="0" failures="0" skipped="0">'],
  ])("takes %s for no report", (_, text) => {
    expect(parseReport(text)).toBeUndefined();
  });
});
