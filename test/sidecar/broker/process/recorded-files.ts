/** Files of the kernel from a table, so that systems which this machine is not can be read. */

import type { FileFault, Files } from "../../../../shared/linux/kernel-files.ts";
import { err, ok } from "../../../../shared/result.ts";

/** A path's text, or why it cannot be read. A link's text is where it points. */
export type Recorded = Readonly<Record<string, string | { readonly fault: FileFault }>>;

export type CountedFiles = Files & {
  readonly reads: () => number;
  readonly links: () => number;
};

/** `recorded` is asked at each read, so that a test may change what is there. */
export function filesFrom(recorded: () => Recorded): CountedFiles {
  let reads = 0;
  let links = 0;
  const textOf = (path: string): string | undefined => {
    const found = recorded()[path];
    return typeof found === "string" ? found : undefined;
  };
  return {
    reads: () => reads,
    links: () => links,
    read: (path) => {
      reads += 1;
      const text = textOf(path);
      if (text !== undefined) return ok(text);
      const found = recorded()[path];
      return err(typeof found === "object" ? found.fault : "absent");
    },
    list: (path) => {
      const below = Object.keys(recorded()).filter((each) => each.startsWith(`${path}/`));
      return [...new Set(below.map((each) => each.slice(path.length + 1).split("/")[0] ?? ""))];
    },
    link: (path) => {
      links += 1;
      return textOf(path);
    },
    identity: (path) =>
      Object.keys(recorded()).some((each) => each.startsWith(path)) ? path : undefined,
  };
}

/** /proc/<pid>/stat of a process, or of its zombie. */
export const statText = (pid: number, startTicks: number, state = "S"): string =>
  `${pid} (java) ${state} 1 ${pid} ${pid} 0 -1 4194304 9 0 0 0 0 0 0 0 20 0 1 0 ${startTicks} 5 0`;

/** /proc/<pid>/cmdline. */
export const commandLine = (...words: readonly string[]): string => `${words.join("\0")}\0`;
