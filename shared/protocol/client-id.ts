/**
 * A cluster's identity and the names derived from it. It becomes part of a container's name, of a
 * consumer group and of a file's name, so nothing but an RFC 1123 label may get past here.
 */
import * as v from "valibot";

/** RFC 1123, section 2.1, in the form that Kubernetes uses: at most 63 of [a-z0-9-]. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u;

export const ClientId = v.pipe(
  v.string(),
  v.regex(LABEL, "is not an RFC 1123 label (1 to 63 of a-z, 0-9 and -)"),
  v.brand("ClientId"),
);
export type ClientId = v.InferOutput<typeof ClientId>;

export const isClientId = (text: string): text is ClientId => LABEL.test(text);

/** The consumer group of a cluster's worker; kept on silence, deleted on withdrawal. */
export const groupOf = (clientId: ClientId): string => `kg-builder-${clientId}`;
