/**
 * `bun run bench fleet`: what one control plane carries, on a real Kafka that it starts itself.
 *
 *  - heartbeats folded per second, and the same records read without folding, in turn, medians: by
 *    kafkajs's consumer, the client that the bar was set with, and by our own reader, three times as fast;
 *  - registration to running worker, one at a time and 1,000 at once (`sleep` as worker);
 *  - memory and start-up with 100,000 clusters in the ledger. They are dead ones: live ones would
 *    need 100,000 workers; what a leader keeps for a cluster is the same in every state.
 */
import { beatsPerSecond } from "./fleet/beats.ts";
import { hundredThousand } from "./fleet/replay.ts";
import { registrationToSpawn } from "./fleet/spawn.ts";

await beatsPerSecond();
await registrationToSpawn();
await hundredThousand();
process.exit(0);
