/** What the environment says about the random fault tests; read here alone. */
import * as v from "valibot";

const whole = v.pipe(v.string(), v.regex(/^\d{1,9}$/u), v.transform(Number));

const Settings = v.object({
  /** kill -9 so many times: 10 in CI, 50 in a full run. */
  OUTRIDER_KILLS: v.optional(whole, "10"),
  /** How long the broker sidecar is soaked: a minute in CI, 30 for a note. */
  OUTRIDER_SOAK_MINUTES: v.optional(whole, "1"),
  /** So many clusters live through a day: 6 in CI, 30 for a note. */
  OUTRIDER_DAY_CLUSTERS: v.optional(whole, "6"),
  /** Of a run that failed, to repeat its choices. */
  OUTRIDER_SEED: v.optional(whole),
});

export type FaultSettings = {
  readonly kills: number;
  readonly soakMinutes: number;
  readonly dayClusters: number;
  readonly seed: number;
};

/** @throws ValiError for what is no whole number */
export function faultSettings(
  environment: Readonly<Record<string, string | undefined>> = Bun.env,
): FaultSettings {
  const read = v.parse(Settings, environment);
  return {
    kills: read.OUTRIDER_KILLS,
    soakMinutes: read.OUTRIDER_SOAK_MINUTES,
    dayClusters: read.OUTRIDER_DAY_CLUSTERS,
    seed: read.OUTRIDER_SEED ?? Math.floor(Math.random() * 1e9),
  };
}
