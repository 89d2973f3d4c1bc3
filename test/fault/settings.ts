/** What the environment says about the random fault tests; read here alone. */
import * as v from "valibot";

const whole = v.pipe(v.string(), v.regex(/^\d{1,9}$/u), v.transform(Number));

const Settings = v.object({
  /** kill -9 so many times: 10 in CI, 50 in a full run. */
  OUTRIDER_KILLS: v.optional(whole, "10"),
  /** Of a run that failed, to repeat its choices. */
  OUTRIDER_SEED: v.optional(whole),
});

export type FaultSettings = { readonly kills: number; readonly seed: number };

/** @throws ValiError for what is no whole number */
export function faultSettings(
  environment: Readonly<Record<string, string | undefined>> = Bun.env,
): FaultSettings {
  const read = v.parse(Settings, environment);
  return {
    kills: read.OUTRIDER_KILLS,
    seed: read.OUTRIDER_SEED ?? Math.floor(Math.random() * 1e9),
  };
}
