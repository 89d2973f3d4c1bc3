/** What a term reports for the metrics. */
import type { Refusal } from "../../shared/protocol/quarantine.ts";
import type { Event } from "./act/outcome.ts";

export type Recorder = {
  readonly event: (event: Event) => void;
  readonly beat: (ageMs: number, skewMs: number | undefined) => void;
  readonly refused: (topic: "registry" | "heartbeat", code: Refusal["code"]) => void;
  readonly judged: (count: { readonly registrations: number; readonly tombstones: number }) => void;
  readonly round: (tookMs: number) => void;
  readonly tickFailed: (partition: number) => void;
  readonly fenced: (tookMs: number) => void;
};
