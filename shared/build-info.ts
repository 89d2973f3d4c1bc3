/** What this binary was built from. `build.ts` puts the values in; in a plain `bun run` they are "dev". */

declare const OUTRIDER_VERSION: string | undefined;
declare const OUTRIDER_COMMIT: string | undefined;
declare const OUTRIDER_BUILT_AT: string | undefined;

const UNBUILT = "dev";

export type BuildInfo = {
  readonly version: string;
  /** Short git commit, with `-dirty` when the tree had changes. */
  readonly commit: string;
  /** RFC 3339, UTC. */
  readonly builtAt: string;
};

// `typeof` of a name that does not exist is the one way to ask without throwing.
export const BUILD: BuildInfo = {
  version: typeof OUTRIDER_VERSION === "string" ? OUTRIDER_VERSION : UNBUILT,
  commit: typeof OUTRIDER_COMMIT === "string" ? OUTRIDER_COMMIT : UNBUILT,
  builtAt: typeof OUTRIDER_BUILT_AT === "string" ? OUTRIDER_BUILT_AT : UNBUILT,
};

/** One line for `--version`. */
export const versionLine = (program: string, build: BuildInfo): string =>
  `${program} ${build.version} (commit ${build.commit}, built ${build.builtAt})`;

/** The body of `GET /about`: four strings, keys as in the original sidecar. */
export function about(build: BuildInfo): {
  readonly version: string;
  readonly timestamp: string;
  readonly epoch: string;
  readonly build: string;
} {
  const builtMs = Date.parse(build.builtAt);
  return {
    version: build.version,
    timestamp: build.builtAt,
    epoch: Number.isNaN(builtMs) ? "0" : String(Math.floor(builtMs / 1000)),
    build: build.commit,
  };
}
