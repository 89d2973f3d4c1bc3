/**
 * What the ledger says about one record of ours, for `--wait`: answered, refused, or not yet. Pure.
 *
 * Invariants (test/agent/confirmation/confirmation.test.ts):
 *  - `_applied:<p>` counts only with the registry's own topic id, and has the first offset that has NOT
 *    been judged: our record is judged when it is greater than our offset;
 *  - records of an older leader (a lower epoch) and of other keys are ignored;
 *  - a worker that runs while a withdrawal is pending is the old one, and does not count as an answer;
 *  - what this agent cannot read is never a refusal: a later control plane may have written it.
 */
import type { ClientId } from "../../shared/protocol/client-id.ts";
import { installationOf } from "../../shared/protocol/installation.ts";
import { type LedgerAnswer, type Progress, readAnswer } from "./ledger.ts";

/** Our record and its position. */
export type Target = {
  readonly action: "register" | "deregister";
  readonly clientId: ClientId;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  /** Our installation, if the asking command registers; undefined: it is not compared. */
  readonly installationId?: string | undefined;
};

/** What was read from the ledger, from a position before our record was written. */
export type Evidence = {
  readonly epoch: number;
  /** Whether there were records of a control plane, about any cluster. */
  readonly records: number;
  readonly applied: Progress | undefined;
  readonly status: LedgerAnswer | undefined;
  /** We cannot read the newest record under our key. */
  readonly unread: boolean;
};

export const NO_EVIDENCE: Evidence = {
  epoch: -1,
  records: 0,
  applied: undefined,
  status: undefined,
  unread: false,
};

export type Confirmation =
  | {
      readonly kind: "done";
      readonly detail: string;
      /** Two agents beat in turn; only a question for the standing returns it. */
      readonly conflict?: boolean;
    }
  | { readonly kind: "withdrawn"; readonly detail: string }
  /** The reason is in the quarantine. */
  | { readonly kind: "refused"; readonly detail: string }
  /** Nothing final yet; `detail` is the text for the deadline. */
  | { readonly kind: "open"; readonly detail: string };

type LedgerBytes = { readonly key: Uint8Array | null; readonly value: Uint8Array | null };

/** Folds one ledger record. One that is no ledger record and not under our key changes nothing. */
export function foldEvidence(evidence: Evidence, target: Target, bytes: LedgerBytes): Evidence {
  const read = readAnswer(bytes.key, bytes.value);
  const epoch = read.epoch ?? evidence.epoch;
  if (epoch < evidence.epoch) return evidence;
  if (read.kind === "unread") {
    return read.key === target.clientId ? { ...evidence, unread: true } : evidence;
  }
  const seen = { ...evidence, epoch, records: evidence.records + 1 };
  if (read.kind === "progress") {
    return read.partition === target.partition ? { ...seen, applied: read.progress } : seen;
  }
  const { answer } = read;
  return answer.client_id === target.clientId ? { ...seen, status: answer, unread: false } : seen;
}

export function confirm(target: Target, evidence: Evidence): Confirmation {
  const pending = notYetJudged(target, evidence);
  if (pending !== undefined) return { kind: "open", detail: pending };
  const { status, unread } = evidence;
  if (unread) {
    const detail = "the control plane's answer cannot be read; is this agent older than it?";
    return { kind: "open", detail };
  }
  if (status === undefined) {
    return { kind: "refused", detail: "the control plane read it and did not accept it" };
  }
  const { registry } = status;
  if (registry.partition !== target.partition || registry.offset < target.offset) {
    const place = `cluster.registry-${registry.partition} @ ${registry.offset}`;
    return { kind: "refused", detail: `the control plane goes by another record, ${place}` };
  }
  return target.action === "register" ? judgeWorker(target, status) : judgeWithdrawal(status);
}

/** What the answers mean; by default for a command that waits for the worker or the withdrawal. */
export type Confirm = (target: Target, evidence: Evidence) => Confirmation;

/** Done once the registration is accepted, whether or not the worker runs. */
export function confirmAccepted(target: Target, evidence: Evidence): Confirmation {
  const confirmation = confirm(target, evidence);
  if (confirmation.kind === "withdrawn" || confirmation.kind === "refused") return confirmation;
  if (notYetJudged(target, evidence) !== undefined || evidence.unread) return confirmation;
  return confirmStanding(target, evidence);
}

/** What the newest answer under our key says, whichever record of ours it answers. */
export function confirmStanding(target: Target, { status, unread }: Evidence): Confirmation {
  if (status === undefined || unread) {
    return { kind: "open", detail: "no control plane has answered; does one run on this Kafka?" };
  }
  if (status.registry.value === null) return { kind: "withdrawn", detail: "by a tombstone" };
  const accepted = installationOf(status.registry.value);
  const { installationId: own } = target;
  if (accepted !== undefined && own !== undefined && accepted !== own) {
    const detail = `registered by another installation, ${accepted}; that of this agent is ${own}`;
    return { kind: "refused", detail };
  }
  const { conflict } = status;
  if (conflict === undefined) return { kind: "done", detail: "accepted" };
  const names = conflict.instances.join(" and ");
  return { kind: "done", conflict: true, detail: `instances ${names} beat in turn` };
}

/** Why the outcome of our record is not known yet; undefined when it is known. */
function notYetJudged(target: Target, evidence: Evidence): string | undefined {
  const { applied, records } = evidence;
  if (records === 0) return "no control plane has answered; does one run on this Kafka?";
  if (applied === undefined) {
    return "a control plane is at work, but has not reached this record";
  }
  if (applied.topic_id !== target.topicId) {
    return "the control plane follows an earlier cluster.registry; restart it, or see sidecar accept-registry";
  }
  if (applied.offset > target.offset) return undefined;
  return `the control plane has reached offset ${applied.offset} of ${target.offset + 1}`;
}

function judgeWorker(target: Target, status: LedgerAnswer): Confirmation {
  if (status.registry.value === null) {
    return { kind: "withdrawn", detail: "it was withdrawn meanwhile, by a tombstone" };
  }
  if (!isWithdrawn(status)) {
    const detail = `accepted; an earlier withdrawal is still being finished${strayText(status)}`;
    return { kind: "open", detail };
  }
  const { worker } = status;
  switch (worker?.state) {
    case "running":
      return { kind: "done", detail: `${workerText(target)} runs` };
    case undefined:
      return { kind: "open", detail: "accepted; the worker is not yet started" };
    case "starting":
      return { kind: "open", detail: "accepted; the worker is starting, not yet running" };
    case "blocked": {
      const detail = "accepted; the worker is blocked: its name is held by something not ours";
      return { kind: "open", detail };
    }
    case "crash-loop": {
      const restarts = typeof worker?.restarts === "number" ? ` (${worker.restarts} restarts)` : "";
      return { kind: "open", detail: `accepted; the worker is in a crash loop${restarts}` };
    }
    default:
      return { kind: "open", detail: `accepted; the worker is ${wordText(worker?.state)}` };
  }
}

/** Null once a newer registration followed: then the withdrawal before it is done. */
const isWithdrawn = ({ withdrawal }: LedgerAnswer): boolean =>
  withdrawal === null || withdrawal === "done";

function judgeWithdrawal(status: LedgerAnswer): Confirmation {
  const isKept = status.group_kept === true && status.withdrawal === "done";
  if (isKept && status.worker !== null) {
    const detail =
      "accepted; the control plane read the tombstone as history, and stops the worker once no agent has beaten for CLEANUP_TIMEOUT";
    return { kind: "open", detail };
  }
  if (isWithdrawn(status)) {
    const detail = isKept
      ? "the worker is gone; Kafka lets its group expire, if there is one, because the control plane read the tombstone as history"
      : "worker and group are gone";
    return { kind: "done", detail };
  }
  const worker = status.worker === null ? "gone" : wordText(status.worker.state);
  const withdrawal = wordText(status.withdrawal ?? "");
  return {
    kind: "open",
    detail: `accepted; withdrawal is ${withdrawal}, the worker is ${worker}${strayText(status)}`,
  };
}

/** Text about the member that keeps the group from being deleted. */
function strayText({ stray }: LedgerAnswer): string {
  const [first] = stray?.members ?? [];
  if (first === undefined) return "";
  const name = JSON.stringify(first.client_id.slice(0, 80));
  return `; client ${name} at ${first.host.slice(0, 80)} is still in its consumer group: stop it`;
}

/** An unknown value of a later version, shortened for one line. */
function wordText(word = ""): string {
  return /^[a-z-]{1,40}$/u.test(word) ? word : "in a state that this agent does not know";
}

/** Other names contain a hash that only the control plane knows. */
const PLAIN_NAME = /^kg-graph-builder-[a-z0-9](?:[a-z0-9-]{0,44}[a-z0-9])?$/u;

function workerText({ clientId }: Target): string {
  const name = `kg-graph-builder-${clientId}`;
  return PLAIN_NAME.test(name) ? `worker ${name}` : "its worker";
}
