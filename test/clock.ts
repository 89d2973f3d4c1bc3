/** The machine's clock, but for what a test says itself. */
import { type Clock, systemClock } from "../shared/clock.ts";

export const clockOf = (own: Partial<Clock>): Clock => ({ ...systemClock, ...own });
