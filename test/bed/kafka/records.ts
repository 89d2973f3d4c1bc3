/** Records as the Java console tools write and read them: one line each, fields apart. Pure. */

/** Neither texts under test nor numbers contain these. */
const FIELD_END = "\u001f";
const RECORD_END = "\u001e\n";
const NULL = "\u0002null\u0002";
const HEADER_END = "\u001d";
const HEADER_KEY_END = "\u001c";
const RESERVED = ["\r", "\n", FIELD_END, "\u001e", HEADER_END, HEADER_KEY_END, "\u0002"] as const;

export type ProducedRecord = {
  readonly key?: string | null;
  readonly value: string | null;
  readonly headers?: Readonly<Record<string, string>>;
};

export type ConsumedRecord = {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly timestampType: "CreateTime" | "LogAppendTime" | "NoTimestampType";
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
};

/** Settings with which the console producer reads `producerLine`. */
export const READER_PROPERTIES = [
  "parse.key=true",
  "parse.headers=true",
  `key.separator=${FIELD_END}`,
  `headers.delimiter=${FIELD_END}`,
  `headers.separator=${HEADER_END}`,
  `headers.key.separator=${HEADER_KEY_END}`,
  `null.marker=${NULL}`,
] as const;

/** Settings with which the console consumer writes what `parseConsumed` reads. */
export const FORMATTER_PROPERTIES = [
  "print.timestamp=true",
  "print.partition=true",
  "print.offset=true",
  "print.headers=true",
  "print.key=true",
  "print.value=true",
  `key.separator=${FIELD_END}`,
  `line.separator=${RECORD_END}`,
  `headers.separator=${HEADER_END}`,
  `null.literal=${NULL}`,
] as const;

/** @throws Error for text with a line break or one of the separators: the tool can't send it. */
export function producerLine({ key = null, value, headers = {} }: ProducedRecord): string {
  const pairs = Object.entries(headers).map(([name, text]) => `${name}${HEADER_KEY_END}${text}`);
  for (const text of [key, value, ...Object.entries(headers).flat()]) {
    if (text !== null && RESERVED.some((each) => text.includes(each))) {
      throw new Error(`the console producer can't send ${JSON.stringify(text.slice(0, 80))}`);
    }
  }
  const head = pairs.length === 0 ? NULL : pairs.join(HEADER_END);
  return `${head}${FIELD_END}${key ?? NULL}${FIELD_END}${value ?? NULL}\n`;
}

export function parseConsumed(stdout: string): readonly ConsumedRecord[] {
  return stdout.split(RECORD_END).slice(0, -1).map(parseRecord);
}

/** `CreateTime:1700000000000 ␟ Partition:0 ␟ Offset:5 ␟ a:1␝b:2 ␟ key ␟ value` */
function parseRecord(line: string): ConsumedRecord {
  const [time = "", partition = "", offset = "", headers = "", key = "", ...rest] =
    line.split(FIELD_END);
  const type = timestampType(time);
  return {
    partition: Number(partition.replace("Partition:", "")),
    offset: Number(offset.replace("Offset:", "")),
    timestampMs: Number(time.split(":")[1] ?? -1),
    timestampType: type,
    key: key === NULL ? null : key,
    value: textOrNull(rest.join(FIELD_END)),
    headers: parseHeaders(headers),
  };
}

function textOrNull(text: string): string | null {
  return text === NULL ? null : text;
}

function timestampType(time: string): ConsumedRecord["timestampType"] {
  if (time.startsWith("CreateTime")) return "CreateTime";
  return time.startsWith("LogAppendTime") ? "LogAppendTime" : "NoTimestampType";
}

function parseHeaders(text: string): Readonly<Record<string, string>> {
  if (text === "NO_HEADERS") return {};
  const pairs = text.split(HEADER_END).map((pair) => {
    const at = pair.indexOf(":");
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs);
}
