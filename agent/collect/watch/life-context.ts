/** What all kinds of one life share. */
import type { Clock } from "../../../shared/clock.ts";
import type { KubernetesLog } from "../../../shared/kubernetes/follow.ts";
import type { Transport } from "../../../shared/kubernetes/transport.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { AnnotationRule } from "../encode/annotations.ts";
import type { Sender } from "../send/sender.ts";

export type LifeContext = {
  readonly clientId: ClientId;
  /** Its name on the wire. */
  readonly life: string;
  readonly projection: string;
  readonly isAllowed: AnnotationRule;
  readonly transport: Transport;
  readonly sender: Sender;
  readonly log: KubernetesLog;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};
