/**
 * kafkajs sets a timer with a negative delay after each answer: a `TimeoutNegativeWarning` per process (kafkajs#1751) and a timer per request.
 * With nothing pending there is nothing to look at later.
 */

import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

const scheduled = RequestQueue.prototype.scheduleCheckPendingRequests;

let mended = false;

export function patchKafkajs(): void {
  if (mended) return;
  mended = true;
  RequestQueue.prototype.scheduleCheckPendingRequests = function schedule(this: RequestQueue) {
    if (this.pending.length > 0) scheduled.call(this);
  };
}
