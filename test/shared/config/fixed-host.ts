/** A host for configuration tests: its files are given, nothing else of the machine is seen. */
import type { Host } from "../../../shared/config/host.ts";
import { err, ok } from "../../../shared/result.ts";

export function fixedHost(
  files: Readonly<Record<string, string>> = {},
  facts: { readonly terminal?: boolean; readonly writable?: boolean } = {},
): Host {
  return {
    terminal: facts.terminal ?? false,
    writable: () => facts.writable ?? false,
    readFile: (path) => {
      const text = files[path];
      return text === undefined ? err(`the file ${path} cannot be read`) : ok(text);
    },
  };
}
