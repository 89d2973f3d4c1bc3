/**
 * What `bun test --reporter=junit` says of a run. Pure.
 *
 * Bun writes no report when a file crashes or ends its process, and exits 0 in the second case: no
 * report, and none that counts a test, is a failure of its own.
 */

export type Count = { readonly passed: number; readonly failed: number; readonly skipped: number };

export type FileCount = Count & { readonly file: string; readonly seconds: number };

export type TestReport = {
  readonly total: Count;
  readonly files: readonly FileCount[];
  /** The first server that could not be had, in the words of BedUnavailable. */
  readonly unavailable: string | undefined;
};

const ATTRIBUTE = /(?<name>[a-z]+)="(?<value>[^"]*)"/gu;
/** Of a file; the suites of `describe` stand deeper. */
const FILE_SUITE = /^ {2}<testsuite (?<attributes>[^>]*)>/gmu;
const FAILURE = /<failure (?<attributes>[^>]*)>/gu;

/** Undefined when the text is no report, or one of no test at all. */
export function parseReport(xml: string): TestReport | undefined {
  const head = /<testsuites (?<attributes>[^>]*)>/u.exec(xml)?.groups?.["attributes"];
  if (head === undefined) return undefined;
  const total = countOf(attributesOf(head));
  if (total.passed + total.failed + total.skipped === 0) return undefined;
  const failures = [...xml.matchAll(FAILURE)].map((each) =>
    attributesOf(each.groups?.["attributes"] ?? ""),
  );
  const missing = failures.filter((each) => each.get("type") === "BedUnavailable");
  return {
    total,
    files: [...xml.matchAll(FILE_SUITE)].map((each) => {
      const attributes = attributesOf(each.groups?.["attributes"] ?? "");
      const seconds = Number(attributes.get("time") ?? 0);
      return { ...countOf(attributes), seconds, file: attributes.get("file") ?? "" };
    }),
    unavailable: missing[0]?.get("message"),
  };
}

function attributesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(ATTRIBUTE)].map(({ groups }) => [
      groups?.["name"] ?? "",
      plain(groups?.["value"] ?? ""),
    ]),
  );
}

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'" } as const;

function plain(value: string): string {
  let text = value.replaceAll(/&#(?<code>\d+);/gu, (_, code: string) =>
    String.fromCodePoint(Number(code)),
  );
  for (const [entity, character] of Object.entries(ENTITIES)) {
    text = text.replaceAll(entity, character);
  }
  return text.replaceAll("&amp;", "&");
}

function countOf(attributes: ReadonlyMap<string, string>): Count {
  const number = (name: string) => Number(attributes.get(name) ?? 0);
  const failed = number("failures");
  const skipped = number("skipped");
  return { passed: number("tests") - failed - skipped, failed, skipped };
}
