/** What can be said of a kind, from the states of its streams. Pure. */
import type { KubernetesError } from "../../../shared/kubernetes/error.ts";
import type { SourceState } from "./source.ts";

export type KindState =
  | { readonly state: "collected" }
  | {
      readonly state: "forbidden" | "missing" | "unavailable";
      /** One sentence: what was asked, and what to do. */
      readonly detail: string;
    };

/** A connection that is away for less is being made again: nobody needs to hear of it. */
const AWAY_MS_MAX = 60_000;

/** @param isMissing Kubernetes says that it has no such resource */
export function kindState(
  sources: readonly SourceState[],
  isMissing: boolean,
  nowMs: number,
): KindState {
  const errors = sources.flatMap(({ error }) => error ?? []);
  const refusal = errors.find(isRefusal);
  if (refusal !== undefined) return { state: "forbidden", detail: refusal.detail };
  const [first] = errors;
  if (isMissing && first !== undefined) return { state: "missing", detail: first.detail };
  const away = sources.find(
    ({ isConnected, heardMs }) => !isConnected && nowMs - heardMs > AWAY_MS_MAX,
  );
  if (away === undefined) return { state: "collected" };
  const detail = away.error?.detail ?? `Kubernetes has said nothing for ${AWAY_MS_MAX / 1000} s`;
  return { state: "unavailable", detail };
}

const isRefusal = ({ code }: KubernetesError): boolean =>
  code === "forbidden" || code === "unauthorized" || code === "refused";
