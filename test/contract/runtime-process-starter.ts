/** To be killed: starts `count` workers in the given state directory at once, from `w-<first>` on. */
import { openRuntime } from "./runtime-process-bed.ts";
import { signal, specOf } from "./runtime-subject.ts";

const [directory = "", first = "0", count = "0"] = process.argv.slice(2);
const runtime = openRuntime(directory);

await Promise.all(
  Array.from({ length: Number(count) }, (_, i) =>
    runtime.start(specOf(`w-${Number(first) + i}`), signal),
  ),
);
