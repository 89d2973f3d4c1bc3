/** docs/version.ts: package.json has the version, and everything else follows. */
import { expect, test } from "bun:test";
import { readVersion, versionedFiles, withVersion } from "../../docs/version.ts";

test("withVersion() changes tags, charts and build arguments, and nothing of others", () => {
  const text = [
    "image: outrider-agent:0.1.0",
    "image: {OUTRIDER_TAG:-0.1.0}",
    "version: 0.1.0",
    "    version: 0.1.0",
    "appVersion: 0.1.0",
    "ARG VERSION=0.1.0",
    "image: apache/kafka:4.1.1",
    "apiVersion: v2",
  ].join("\n");
  const later = withVersion(text, "1.2.3");
  expect(later.match(/1\.2\.3/gu)).toHaveLength(6);
  expect(later).toContain("apache/kafka:4.1.1");
});

test("every file that names our version names that of package.json", async () => {
  const version = await readVersion();
  const files = versionedFiles();
  const texts = await Promise.all(files.map((path) => Bun.file(path).text()));
  const wrong = files.filter(
    (_, index) => withVersion(texts[index] ?? "", version) !== texts[index],
  );
  expect(wrong).toEqual([]);
  const named = texts.filter((text) => withVersion(text, "9.9.9") !== text);
  expect(named.length).toBeGreaterThan(5);
});
