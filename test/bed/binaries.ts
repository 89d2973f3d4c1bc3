/** The compiled binaries under test, built again when a source has changed. */
import { join, resolve } from "node:path";
import { build } from "../../build.ts";

const ROOT = resolve(import.meta.dir, "../..");

export type Binaries = { readonly agent: string; readonly sidecar: string };

let made: Promise<Binaries> | undefined;

export function binaries(): Promise<Binaries> {
  made ??= build({ root: ROOT, all: false, sourceDateEpoch: undefined, say: () => undefined }).then(
    () => ({ agent: join(ROOT, "dist/agent"), sidecar: join(ROOT, "dist/sidecar") }),
  );
  return made;
}
