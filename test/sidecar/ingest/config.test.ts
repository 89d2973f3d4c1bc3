/** The variables of `sidecar ingest`. */
import { expect, test } from "bun:test";
import { readIngestConfig } from "../../../sidecar/ingest/config.ts";
import { fixedHost } from "../../shared/config/fixed-host.ts";

const HOST = fixedHost({}, { writable: true });

test("readIngestConfig() derives the group from the client id", () => {
  const config = readIngestConfig({ CLIENT_ID: "af-10" }, HOST);
  expect(config.ok && config.value.kafkaGroup).toBe("kg-builder-af-10");
  expect(readIngestConfig({}, HOST).ok).toBe(false);
});
