/** From which installation of the agent a registration comes (docs/protocol.md). Pure. */
import { parseText } from "./json.ts";

const INSTALLATION_CHARS_MAX = 128;

/** Reads it from the text of an accepted registration, which was validated before; undefined: it names none. */
export function installationOf(value: string): string | undefined {
  const json = parseText(value);
  if (typeof json !== "object" || json === null || !("installation_id" in json)) return undefined;
  const { installation_id: id } = json;
  return typeof id === "string" && id !== "" && id.length <= INSTALLATION_CHARS_MAX
    ? id
    : undefined;
}
