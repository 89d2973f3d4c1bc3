/**
 * A cluster's identity: the key of its records. It becomes part of the name of a consumer group, a
 * container, a Job and a file; where it is not allowed in such a name, the name is derived from it
 * (sidecar/control-plane/worker/spec.ts).
 */
import * as v from "valibot";

const CHARS_MAX = 200;
/**
 * The ids that the originals' clients use. `_watermark` and `_applied:0` are no client ids, nor is an
 * option such as `-x`.
 */
const CLIENT_ID = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${CHARS_MAX - 1}}$`, "u");

/** The rule as a text for people. */
export const CLIENT_ID_RULE = `1 to ${CHARS_MAX} of A-Z, a-z, 0-9, ".", "_" and "-", the first a letter or digit`;

export const ClientId = v.pipe(
  v.string(),
  v.description(CLIENT_ID_RULE),
  v.regex(CLIENT_ID, `is no client id: ${CLIENT_ID_RULE}`),
  v.brand("ClientId"),
);
export type ClientId = v.InferOutput<typeof ClientId>;

export const isClientId = (text: string): text is ClientId => CLIENT_ID.test(text);

/** The consumer group of a cluster's worker; kept on silence, deleted on withdrawal. */
export const groupOf = (clientId: ClientId): string => `kg-builder-${clientId}`;
