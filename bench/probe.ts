/**
 * `bun run bench probe`: what the broker sidecar costs and how fast it answers, beside one real broker with
 * 2,000 partitions; the compiled binary in a cgroup of 128 MiB, with the image's environment and the
 * defaults (PROBE_INTERVAL=2s).
 *
 *  - start within 128 MiB and a tenth of a CPU: to the first answer, and to readiness;
 *  - CPU of the rounds alone, without any probe;
 *  - answers, one at a time and 16 at once, each over a new connection like the kubelet's, and over kept
 *    ones. The client is a separate process on the same cores, so the figures include its own time, and on
 *    a busy machine that of other programs; only the sidecar's CPU time per answer is independent of that.
 *    On a busy machine, 16 clients without a pause starve the rounds: then verdicts become too old, and
 *    readiness says so;
 *  - resident memory idle, and after PROBE_LOAD_MINUTES (10) of some 250 questions a second.
 */
import { openCgroup } from "../test/bed/cgroup.ts";
import { answers } from "./probe/answers.ts";
import { endurance } from "./probe/endurance.ts";
import { rounds } from "./probe/rounds.ts";
import { CONTAINER_BYTES, openStage } from "./probe/stage.ts";
import { startInContainer } from "./probe/start.ts";

const MINUTES_DEFAULT = 10;

const minutes = Number(Bun.env["PROBE_LOAD_MINUTES"] ?? MINUTES_DEFAULT);
const stage = await openStage();
const container = await openCgroup({ memoryBytes: CONTAINER_BYTES });
try {
  await startInContainer(stage);
  const sidecar = await stage.start(container);
  await rounds(sidecar);
  await answers(sidecar);
  await endurance(sidecar, minutes);
} finally {
  await stage.close();
  await container.close();
}
process.exit(0);
