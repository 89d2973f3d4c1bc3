/**
 * `bun run docs` writes the tables of docs/operating.md, which test/docs/operating.test.ts checks, and the
 * version wherever it is repeated (version.ts).
 */
import { join } from "node:path";
import { COLLECT_COMMAND_TABLE } from "../agent/collect/config.ts";
import { AGENT_TABLE } from "../agent/config.ts";
import type { Table } from "../shared/config/table.ts";
import { markdownTable } from "../shared/config/table-text.ts";
import { BROKER_TABLE } from "../sidecar/broker/config.ts";
import { CONTROL_PLANE_TABLE, OPERATOR_TABLE } from "../sidecar/control-plane/config.ts";
import { INGEST_TABLE } from "../sidecar/ingest/config.ts";
import { writeVersions } from "./version.ts";

export const OPERATING = join(import.meta.dir, "operating.md");

/** By marker: `<!-- config:agent -->` to `<!-- /config:agent -->`. */
const TABLES: ReadonlyMap<string, Table> = new Map<string, Table>([
  ["agent", AGENT_TABLE],
  ["collect", COLLECT_COMMAND_TABLE],
  ["control-plane", CONTROL_PLANE_TABLE],
  ["operator", OPERATOR_TABLE],
  ["broker", BROKER_TABLE],
  ["ingest", INGEST_TABLE],
]);

const MARKED =
  /<!-- config:(?<name>[a-z-]+) -->\n(?<table>[\s\S]*?)\n?<!-- \/config:\k<name> -->/gu;

/** The document with its tables replaced by those of the code. Throws at an unknown marker. */
export function withTables(document: string): string {
  return document.replaceAll(MARKED, (_all: string, name: string) => {
    const table = TABLES.get(name);
    if (table === undefined) throw new Error(`no table for the marker config:${name}`);
    return `<!-- config:${name} -->\n${markdownTable(table)}\n<!-- /config:${name} -->`;
  });
}

if (import.meta.main) {
  await Bun.write(OPERATING, withTables(await Bun.file(OPERATING).text()));
  await writeVersions();
}
