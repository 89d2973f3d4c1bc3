/** An act: one step of a plan as it is carried out, and what can come of it. */
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
      /** Put back first, where Kafka has forgotten them. */
      readonly offsets: KeptOffsets | undefined;
    }
  | {
      readonly kind: "stop";
      readonly clientId: ClientId;
      readonly worker: Worker;
      readonly cause: StopCause;
      /** What takes its place, where that has another spec. */
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
    /** What a successor needs is not there: its predecessor was not stopped. */
    | "unprepared";
  readonly detail: string;
  /** Of `ended`: which one. */
  readonly instance?: InstanceId;
  /** Of `group-not-empty`: who is in it. */
  readonly members?: readonly GroupMember[];
};

export type ActOutcome =
  | { readonly kind: "started"; readonly worker: Worker }
  | { readonly kind: "stopped" }
  | { readonly kind: "group-deleted" }
  | { readonly kind: "failed"; readonly error: ActError };

/** What the audit and the log say of an act. */
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

/** An exit brings another spec by the way: that must be told. */
const nextOf = ({ cause, successor }: Extract<Act, { kind: "stop" }>): string =>
  cause === "exited" && successor !== undefined ? `; next spec ${successor.specHash}` : "";
