/** The tables, as numbered migrations: what was released is never changed, a new file follows. */

import { numbered } from "../../../shared/postgres/migrate.ts";
import type { Migration } from "../../../shared/postgres/migration.ts";
import tables from "./0001-tables.sql" with { type: "text" };
import views from "./0002-views.sql" with { type: "text" };

/** Where everything of ours lies; what an original made in `public` is not touched. */
export const SCHEMA = "cluster_info";

export const MIGRATIONS: readonly Migration[] = numbered([
  { name: "tables", text: tables },
  { name: "views", text: views },
]);
