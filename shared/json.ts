/**
 * The value of a JSON text; undefined, which is no JSON value, if the text is no JSON. Bytes of records:
 * protocol/json.ts.
 */
export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
