/**
 * `bun run bench fleet`: what one control plane carries, on a real Kafka that it starts itself.
 *
 *  - heartbeats folded per second, and the same records read without folding, alternately, as medians: with
 *    kafkajs's consumer, with which the bar was set, and with our own consumer, three times as fast;
 *  - registration to running worker, one at a time and 1,000 at once (`sleep` as worker);
 *  - memory and start-up with 100,000 clusters in the ledger. The clusters are dead, because live ones
 *    would need 100,000 workers; a leader keeps the same for a cluster in every state.
 */
import { beatsPerSecond } from "./fleet/beats.ts";
import { hundredThousand } from "./fleet/replay.ts";
import { registrationToSpawn } from "./fleet/spawn.ts";

await beatsPerSecond();
await registrationToSpawn();
await hundredThousand();
process.exit(0);
