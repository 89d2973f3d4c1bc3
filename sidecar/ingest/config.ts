/** The variables of `sidecar ingest` (docs/operating.md is made from them): those of every worker. */
import type { Host } from "../../shared/config/host.ts";
import { CONNECTION_CHECKS } from "../../shared/config/kafka.ts";
import { type Environment, type Problem, parseEnvironment } from "../../shared/config/table.ts";
import { INGEST_TABLE, type IngestConfig } from "../../shared/config/worker.ts";
import type { Result } from "../../shared/result.ts";

export const readIngestConfig = (
  environment: Environment,
  host: Host,
): Result<IngestConfig, readonly Problem[]> =>
  parseEnvironment(INGEST_TABLE, CONNECTION_CHECKS, environment, host);
