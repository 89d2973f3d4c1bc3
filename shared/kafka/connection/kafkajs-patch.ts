/**
 * What we change in kafkajs, for its own clients and for our connections.
 *
 * Its request queue sets a timer with a negative delay after each answer: a `TimeoutNegativeWarning` per
 * process (kafkajs#1751) and a timer per request. With no pending request the timer is not needed.
 *
 * It authenticates again 10 s before a session ends, whatever the session's length: with a session of 10 s
 * or less before each request, and on a host that was busy for 10 s too late. We use a share of the session
 * instead.
 */

import Connection from "kafkajs/src/network/connection.js";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

/**
 * Java's clients authenticate again after 85 to 95 per cent of a session (KIP-368), so that many do not do
 * it at the same time.
 */
const LEFT_LEAST = 0.05;
const LEFT_MOST = 0.15;
/** As a threshold: it never authenticates again. */
export const NEVER_MS = -Number.MAX_SAFE_INTEGER;

const scheduled = RequestQueue.prototype.scheduleCheckPendingRequests;

let isPatched = false;

export function patchKafkajs(): void {
  if (isPatched) return;
  isPatched = true;
  RequestQueue.prototype.scheduleCheckPendingRequests = function schedule(this: RequestQueue) {
    if (this.pending.length > 0) scheduled.call(this);
  };
  const lefts = new WeakMap<Connection, number>();
  Object.defineProperty(Connection.prototype, "reauthenticationThreshold", {
    get(this: Connection): number {
      const left = lefts.get(this);
      return left === undefined ? NEVER_MS : thresholdMs(Number(this.sessionLifetime), left);
    },
    // Set in the constructor, for our clients and for kafkajs's own.
    set(this: Connection, wantedMs: number) {
      if (wantedMs !== NEVER_MS) lefts.set(this, Math.random());
    },
  });
}

/**
 * How long before the end of a session it is renewed, in ms.
 * @param random in [0, 1), one for each connection
 */
export const thresholdMs = (sessionMs: number, random: number): number =>
  Math.round(sessionMs * (LEFT_LEAST + (LEFT_MOST - LEFT_LEAST) * random));
