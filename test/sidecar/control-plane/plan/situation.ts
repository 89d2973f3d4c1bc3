/** A situation to plan for, whole, and changed where a test says so; and a step as words. */
import type { PlanInput, Step } from "../../../../sidecar/control-plane/plan/plan.ts";
import { clusterOf, SPEC } from "../sample.ts";

export const planInputOf = (changes: Partial<PlanInput> = {}): PlanInput => ({
  cluster: clusterOf(),
  expired: false,
  listed: true,
  workers: [],
  foreign: undefined,
  specHash: SPEC,
  changingTooLong: false,
  busy: false,
  backingOff: false,
  holdCleanup: undefined,
  holdOrphan: undefined,
  holdWithdrawal: undefined,
  underAlias: false,
  orphanExpired: false,
  awaitsSilence: false,
  settling: false,
  replaceable: true,
  respawnable: true,
  ...changes,
});

/** A step as one word: `none converged`, `stop dead cluster-a-1`. */
export const wordsOf = (step: Step): string => {
  if (step.kind === "none" || step.kind === "wait") return `${step.kind} ${step.why}`;
  return step.kind === "stop" ? `stop ${step.cause} ${step.worker.instance}` : step.kind;
};
