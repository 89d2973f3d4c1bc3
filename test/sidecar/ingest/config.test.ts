/** The variables of `sidecar ingest`. */
import { expect, test } from "bun:test";
import { postgresSettings } from "../../../shared/config/postgres.ts";
import { readIngestConfig } from "../../../sidecar/ingest/config.ts";
import { fixedHost } from "../../shared/config/fixed-host.ts";

const HOST = fixedHost({}, { writable: true });
const read = (environment: Readonly<Record<string, string>>) => readIngestConfig(environment, HOST);

test("readIngestConfig() derives the group: a worker's from its client id, else the one that stores", () => {
  const worker = read({ CLIENT_ID: "af-10" });
  expect(worker.ok && worker.value.kafkaGroup).toBe("kg-builder-af-10");
  const storing = read({});
  expect(storing.ok && storing.value.kafkaGroup).toBe("cluster-info-consumer");
});

test("readIngestConfig() refuses a worker's group without its client id: it would store beside the others", () => {
  const refused = read({ KAFKA_GROUP: "kg-builder-af-10" });
  expect(refused.ok ? [] : refused.error.map(({ name }) => name)).toEqual(["KAFKA_GROUP"]);
});

test("readIngestConfig() takes DATABASE_URL before DB_*, and says what is wrong with it without quoting it", () => {
  const config = read({ DATABASE_URL: "postgres://u:pw@h:1/d?sslmode=require", DB_HOST: "other" });
  const settings = config.ok ? postgresSettings(config.value) : undefined;
  expect(settings).toMatchObject({
    host: "h",
    port: 1,
    user: "u",
    database: "d",
    sslMode: "require",
  });
  expect(settings?.password()).toBe("pw");
  const refused = read({ DATABASE_URL: "mysql://u:pw-s3cr3t@h/d" });
  expect(refused.ok ? "" : JSON.stringify(refused.error)).not.toContain("s3cr3t");
  expect(refused.ok).toBe(false);
});

test("readIngestConfig() takes every sslmode of libpq, and the original's addresses", () => {
  for (const mode of ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]) {
    expect(read({ DB_SSL_MODE: mode }).ok).toBe(true);
  }
  const config = read({ API_ADDRESS: ":8081" });
  expect(config.ok && config.value.apiAddress).toEqual({ host: undefined, port: 8081 });
  expect(read({ API_ADDRESS: "8081" }).ok).toBe(false);
});
