/**
 * Objects that were requested `as=Table`: their metadata and the columns that kubectl shows, without the
 * object itself. So a list of Secrets brings no value of a Secret. Pure.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
 */
import * as v from "valibot";

/** The Accept header of the request. */
export const AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

const Table = v.object({
  kind: v.literal("Table"),
  rows: v.array(
    v.object({ cells: v.array(v.unknown()), object: v.looseObject({ metadata: v.unknown() }) }),
  ),
});

/** For each row the object's metadata with its cells; undefined if this is no table. */
export function rowsOf(value: unknown): readonly Record<string, unknown>[] | undefined {
  const read = v.safeParse(Table, value);
  if (!read.success) return undefined;
  return read.output.rows.map(({ cells, object }) => ({ metadata: object.metadata, cells }));
}
