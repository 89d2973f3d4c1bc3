/**
 * Which check decides which gate, as a table. A failed check closes a gate. A check that is unknown closes
 * every gate but liveness: not knowing is no reason to restart a broker, nor to send it traffic. Pure.
 * docs/probes.md has the same table.
 */
import type { CheckName, Verdict } from "../check/check.ts";

export const GATES = ["live", "ready", "startup", "restart-safe"] as const;
export type GateName = (typeof GATES)[number];

/** gate: decides; strict: decides, and a warning counts as a failure; warn: shown; none: not even shown. */
export type GateRole = "gate" | "strict" | "warn" | "none";

export type GateSettings = {
  /** `cluster` restores the original: a broker is not alive if the metadata does not name it, or cannot be read. */
  readonly liveness: "local" | "cluster";
  readonly futureReplicas: "warn" | "fail";
};

/** In order: an error names the first that fails. */
const ROLES: Readonly<Record<CheckName, Readonly<Record<GateName, GateRole>>>> = {
  "broker-answers": { live: "gate", ready: "gate", startup: "warn", "restart-safe": "gate" },
  "broker-started": { live: "none", ready: "none", startup: "gate", "restart-safe": "none" },
  "broker-identity": { live: "warn", ready: "gate", startup: "warn", "restart-safe": "gate" },
  "broker-registered": { live: "warn", ready: "gate", startup: "warn", "restart-safe": "none" },
  "quorum-leader": { live: "warn", ready: "gate", startup: "none", "restart-safe": "gate" },
  "metadata-caught-up": { live: "warn", ready: "warn", startup: "none", "restart-safe": "strict" },
  "log-directories": { live: "none", ready: "gate", startup: "warn", "restart-safe": "none" },
  "replicas-in-sync": { live: "none", ready: "gate", startup: "warn", "restart-safe": "none" },
  "followers-in-sync": { live: "none", ready: "warn", startup: "none", "restart-safe": "none" },
  "future-replicas": { live: "none", ready: "warn", startup: "none", "restart-safe": "none" },
  "disk-free": { live: "none", ready: "warn", startup: "none", "restart-safe": "none" },
  "restart-safe": { live: "none", ready: "none", startup: "none", "restart-safe": "gate" },
};

export function roleOf(check: CheckName, gate: GateName, settings: GateSettings): GateRole {
  if (check === "broker-registered" && gate === "live" && settings.liveness === "cluster") {
    return "gate";
  }
  if (check === "future-replicas" && gate === "ready" && settings.futureReplicas === "fail") {
    return "gate";
  }
  return ROLES[check][gate];
}

export type GateOutcome = {
  readonly healthy: boolean;
  /** The verdicts that the gate shows. */
  readonly verdicts: readonly Verdict[];
  /** With the original's text if it has one; undefined when healthy. */
  readonly error: string | undefined;
};

export function passGate(
  gate: GateName,
  verdicts: readonly Verdict[],
  settings: GateSettings,
): GateOutcome {
  const shown = verdicts.filter(({ check }) => roleOf(check, gate, settings) !== "none");
  const failing = shown.find((verdict) =>
    closes(gate, roleOf(verdict.check, gate, settings), verdict),
  );
  const error = failing === undefined ? undefined : errorOf(gate, failing);
  return { healthy: failing === undefined, verdicts: shown, error };
}

/** For live, an `unknown` closes only if it is unanswered, which matters only with `LIVENESS=cluster`. */
function closes(gate: GateName, role: GateRole, { status, isUnanswered }: Verdict): boolean {
  if (role === "warn" || role === "none") return false;
  if (status === "fail") return true;
  if (status === "unknown") return gate !== "live" || isUnanswered === true;
  return status === "warn" && role === "strict";
}

const PREFIX = {
  "broker-answers": "failed to fetch metadata",
  "broker-started": "failed to fetch metadata",
  "broker-identity": "failed to fetch metadata",
  "broker-registered": "failed to fetch metadata",
  "quorum-leader": "failed to describe the quorum",
  "metadata-caught-up": "metadata log not caught up",
  "log-directories": "failed to describe log dirs",
  "replicas-in-sync": "failed to fetch metadata",
  "followers-in-sync": "failed to fetch metadata",
  "future-replicas": "failed to describe log dirs",
  "disk-free": "failed to describe log dirs",
  "restart-safe": "not safe to stop",
} as const satisfies Record<CheckName, string>;

/** The original's strings, for those who match on them; our own where it had no such check. */
function errorOf(gate: GateName, { check, status, reason }: Verdict): string {
  const seed = status === "fail" ? seedError(gate, check, reason) : undefined;
  return seed ?? `${PREFIX[check]}: ${reason}`;
}

function seedError(gate: GateName, check: CheckName, reason: string): string | undefined {
  switch (check) {
    case "broker-registered":
      return gate === "live"
        ? "broker not found in cluster metadata"
        : "broker not registered in cluster metadata";
    case "quorum-leader":
      return "no controller elected";
    case "replicas-in-sync":
      return "broker has under-replicated partitions";
    case "log-directories":
      return `log directories unhealthy (${reason})`;
    case "future-replicas":
      return "log directories unhealthy (future partitions detected)";
    case "broker-identity":
      return `another node than configured: ${reason}`;
    case "broker-answers":
    case "broker-started":
    case "metadata-caught-up":
    case "followers-in-sync":
    case "disk-free":
    case "restart-safe":
      return undefined;
  }
}
