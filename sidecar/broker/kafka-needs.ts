/** What the broker sidecar needs of Kafka, for `check kafka --as broker` (docs/operating.md, "What Kafka must allow"). */
import type { Needs } from "../../shared/kafka/check/permissions.ts";

/** A permission on topics that is missing shows in the verdicts, not here: no topic is named in advance. */
export const BROKER_NEEDS: Needs = { topics: [], groups: [], cluster: ["DESCRIBE"] };
