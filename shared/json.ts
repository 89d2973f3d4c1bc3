/** The value that a text says in JSON; undefined, which JSON cannot say, where it is none. Bytes of records: protocol/json.ts. */
export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
