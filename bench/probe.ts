/**
 * `bun run bench probe`: what the broker sidecar costs and how fast it answers, beside one real broker with
 * 2,000 partitions; the compiled binary in a cgroup of 128 MiB, with the image's environment and the
 * defaults (PROBE_INTERVAL=2s).
 *
 *  - start within 128 MiB and a tenth of a CPU: to the first answer, and to readiness;
 *  - CPU of the rounds alone, without anybody asking;
 *  - answers, asked one at a time and 16 at once, each over a connection of its own as the kubelet's
 *    are, and over kept ones; the asking program is a process of its own and shares the cores with the
 *    sidecar and the broker, so its own time is in the figures, and on a busy machine everybody's: the
 *    sidecar's CPU for an answer is what does not change with that;
 *    16 at once without a pause starve the rounds where the cores are wanted elsewhere, too: verdicts grow
 *    old then, and readiness says so;
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
