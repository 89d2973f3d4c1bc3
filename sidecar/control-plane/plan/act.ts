/** An act: one step of a plan as it is carried out, and its possible outcomes. */
import type { GroupMember } from "../../../shared/kafka/api/describe-groups.ts";
import type { AuditAction } from "../../../shared/protocol/audit.ts";
import { type ClientId, groupOf } from "../../../shared/protocol/client-id.ts";
import type { KeptOffsets } from "../../../shared/protocol/ledger-facts.ts";
import type { InstanceId, RuntimeError, Worker, WorkerSpec } from "../runtime/runtime.ts";
import type { StopCause } from "./plan.ts";

export type Act =
  | {
      readonly kind: "start";
      readonly clientId: ClientId;
      readonly spec: WorkerSpec;
      /** Offsets to commit first, if Kafka has forgotten them. */
      readonly offsets: KeptOffsets | undefined;
    }
  | {
      readonly kind: "stop";
      readonly clientId: ClientId;
      readonly worker: Worker;
      readonly cause: StopCause;
      /** Its successor, if that has another spec. */
      readonly successor?: WorkerSpec;
    }
  | { readonly kind: "delete-group"; readonly clientId: ClientId };

export type ActError = {
  readonly code:
    | RuntimeError["code"]
    | "group-not-empty"
    | "kafka"
    | "dropped"
    | "defect"
    /** What a successor needs is missing, so its predecessor was not stopped. */
    | "unprepared";
  readonly detail: string;
  /** For `ended`: the instance. */
  readonly instance?: InstanceId;
  /** For `group-not-empty`: its members. */
  readonly members?: readonly GroupMember[];
};

export type ActOutcome =
  | { readonly kind: "started"; readonly worker: Worker }
  | { readonly kind: "stopped" }
  | { readonly kind: "group-deleted" }
  | { readonly kind: "failed"; readonly error: ActError };

/** The text about an act in the audit and the log. */
export function describeAct(act: Act): { readonly action: AuditAction; readonly reason: string } {
  switch (act.kind) {
    case "start":
      return { action: "start", reason: `spec ${act.spec.specHash}` };
    case "stop":
      return { action: "stop", reason: `${act.cause}: ${act.worker.instance}${nextOf(act)}` };
    case "delete-group":
      return { action: "delete-group", reason: `withdrawn: ${groupOf(act.clientId)}` };
  }
}

/** After an exit the successor may have another spec, which must be logged. */
const nextOf = ({ cause, successor }: Extract<Act, { kind: "stop" }>): string =>
  cause === "exited" && successor !== undefined ? `; next spec ${successor.specHash}` : "";
