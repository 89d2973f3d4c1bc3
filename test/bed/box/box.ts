/**
 * Boxes: throwaway network, mount and pid namespaces in which a whole test file runs, test process and
 * servers alike. Anything that a file leaves running ends with its box.
 *
 * A file's name determines its box: `*-docker.test.ts`, `*-kubernetes.test.ts`. The runner (test/run/) starts it
 * there; by hand use `test/bed/box/network.sh bun test ./test/…`.
 */
import { join, relative } from "node:path";
import { BedUnavailable } from "../unavailable.ts";

export type BoxName = "network" | "kubernetes";

const ROOT = join(import.meta.dir, "../../..");
const SCRIPTS = {
  network: join(import.meta.dir, "network.sh"),
  kubernetes: join(import.meta.dir, "../kubernetes/box.sh"),
} as const satisfies Record<BoxName, string>;

export function boxFor(testFile: string): BoxName | undefined {
  if (testFile.endsWith("-docker.test.ts")) return "network";
  return testFile.endsWith("-kubernetes.test.ts") ? "kubernetes" : undefined;
}

/** The command to put before another one; empty if no box can be created: then the file itself says so. */
export function boxCommand(box: BoxName | undefined): readonly string[] {
  return box === undefined || !canMake() ? [] : [SCRIPTS[box]];
}

/** The same for a person to type, in the repository's root. */
export const boxWords = (box: BoxName | undefined): string =>
  boxCommand(box)
    .map((script) => `${relative(ROOT, script)} `)
    .join("");

/** The message names the file; by default the one that runs. @throws BedUnavailable outside that box. */
export function requireBox(box: BoxName, testFile = Bun.main): void {
  if (Bun.env["OUTRIDER_BOX"] === box) return;
  const name = relative(ROOT, testFile);
  throw new BedUnavailable(
    canMake()
      ? `${name} needs a box of its own: bun run test ${name}`
      : `${name} needs namespaces of its own: run it as root, with unshare (util-linux) and ip (iproute2)`,
  );
}

const canMake = (): boolean =>
  process.getuid?.() === 0 && Bun.which("unshare") !== null && Bun.which("ip") !== null;
