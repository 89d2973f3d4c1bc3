/**
 * Asks the running sidecar of the same broker over HTTP. If none runs, or another program has its port,
 * such as the sidecar of another broker on this host, the caller checks the broker itself.
 */
import * as v from "valibot";

/** A probe answers within about a millisecond; the kubelet's default timeout is a second. */
const PROBE_MS_MAX = 2000;
/** Added to a drain's own timeout. */
const DRAIN_MARGIN_MS = 10_000;
const LOOPBACK = "127.0.0.1";

const Healthy = v.object({
  brokerId: v.number(),
  status: v.picklist(["healthy", "unhealthy"]),
  error: v.optional(v.string()),
});
type Healthy = v.InferOutput<typeof Healthy>;

const Drained = v.object({
  brokerId: v.number(),
  safe: v.boolean(),
  ending: v.string(),
  waitedMs: v.number(),
  error: v.optional(v.string()),
});
export type Drained = v.InferOutput<typeof Drained>;

export type RunningSidecar = {
  /** Each is undefined if no sidecar answers there. */
  readonly probe: (gate: "live" | "ready") => Promise<Healthy | undefined>;
  readonly drain: (timeoutMs: number, signal: AbortSignal) => Promise<Drained | undefined>;
};

/** @param brokerId of the sidecar's broker; -1: not known, then any sidecar is believed */
export function runningSidecar(port: number, brokerId: number): RunningSidecar {
  const ask = async <T extends { readonly brokerId: number }>(
    path: string,
    schema: v.GenericSchema<unknown, T>,
    signal: AbortSignal,
  ): Promise<T | undefined> => {
    try {
      const response = await fetch(`http://${LOOPBACK}:${port}${path}`, { signal, timeout: false });
      const body = v.safeParse(schema, await response.json());
      if (!body.success) return undefined;
      return brokerId < 0 || body.output.brokerId === brokerId ? body.output : undefined;
    } catch {
      return undefined;
    }
  };
  return {
    probe: (gate) => ask(`/health/${gate}`, Healthy, AbortSignal.timeout(PROBE_MS_MAX)),
    drain: (timeoutMs, signal) => {
      const late = AbortSignal.timeout(timeoutMs + DRAIN_MARGIN_MS);
      return ask(`/drain?timeout=${timeoutMs}ms`, Drained, AbortSignal.any([signal, late]));
    },
  };
}
