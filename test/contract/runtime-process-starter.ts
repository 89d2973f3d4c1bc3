/** To be killed: starts the workers `w-0`, `w-1`… in the given state directory, ten at a time. */

import { openRuntime } from "./runtime-process-bed.ts";
import { specOf } from "./runtime-subject.ts";

const AT_ONCE = 10;
const [directory = "", first = "0", count = "200"] = process.argv.slice(2);
const runtime = openRuntime(directory);
const { signal } = new AbortController();

let next = Number(first);
const end = next + Number(count);
process.stdout.write("starting\n");
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < end) {
      const spec = specOf(`w-${next}`);
      next += 1;
      await runtime.start(spec, signal);
    }
  }),
);
