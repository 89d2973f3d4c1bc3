/** Headers of registry records. All are optional: a record without them is accepted as before. */

/** Who wrote it, if that makes a difference. */
export const BY = "outrider-by";
export const BY_OPERATOR = "sidecar withdraw";
/** An automatic registration, which no person asked for: that of `agent run` at its start. */
export const BY_AGENT = "agent run";

/** For a tombstone: the installation that is withdrawn. A registration has it in its value. */
export const INSTALLATION = "outrider-installation-id";

/** `true`: withdraw although two agents beat under this client id. */
export const FORCE = "outrider-force";
export const FORCED = "true";
