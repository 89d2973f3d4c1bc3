/**
 * `bun run test --changed`: which test files a change concerns. A file of the product concerns the tests of its
 * role; a test file itself, and those that import it; what is shared by all, every test. Pure.
 */

/** By folder, the first that matches: what in a test's path says that it is concerned. */
const CONCERNS: readonly { readonly changed: RegExp; readonly tests: RegExp }[] = [
  { changed: /^docs\/(?!deploy\/|.*\.ts$)|^[A-Z]+\.md$|^LICENSE$/u, tests: /^$/u },
  { changed: /^(?:charts|docs\/deploy)\//u, tests: /chart|compose|pod-kubernetes/u },
  { changed: /^(?:Dockerfile|image\.ts|compose\.yaml)/u, tests: /image|compose|docker/u },
  { changed: /^sidecar\/broker\//u, tests: /broker|probe/u },
  { changed: /^sidecar\/control-plane\/runtime\/docker\//u, tests: /docker/u },
  { changed: /^sidecar\/control-plane\/runtime\/kubernetes\//u, tests: /kubernetes/u },
  { changed: /^sidecar\/control-plane\/runtime\/process\//u, tests: /runtime|workers|lifecycle/u },
  { changed: /^sidecar\/(?:control-plane|ingest)\//u, tests: /^(?!.*broker)/u },
  { changed: /^agent\//u, tests: /agent|register|lifecycle|chart|check-kafka/u },
  { changed: /^shared\/kubernetes\//u, tests: /kubernetes/u },
  { changed: /^test\/(?:agent|sidecar|shared|docs|run|vector)\//u, tests: /^$/u },
  { changed: /^test\/(?:run|tidy\.test)\.ts$/u, tests: /^$/u },
  { changed: /^bench\//u, tests: /^$/u },
];
const EVERY_TEST = /^/u;

/**
 * @param changed paths that differ
 * @param tests paths of test files on real servers
 * @param importsOf the files that a test file imports, directly or not
 */
export function concernedTests(
  changed: readonly string[],
  tests: readonly string[],
  importsOf: (test: string) => ReadonlySet<string>,
): readonly string[] {
  const patterns = changed.flatMap((path) => {
    if (path.startsWith("test/") && tests.some((test) => importsOf(test).has(path))) return [];
    if (tests.includes(path)) return [];
    return [CONCERNS.find((row) => row.changed.test(path))?.tests ?? EVERY_TEST];
  });
  return tests.filter((test) => {
    if (changed.includes(test)) return true;
    if (patterns.some((pattern) => pattern.test(test))) return true;
    const imports = importsOf(test);
    return changed.some((path) => path.startsWith("test/") && imports.has(path));
  });
}
