/**
 * Is what answers at the local address the node that this sidecar was told to watch? All other verdicts are
 * about its id. Only a proven difference fails: that we may not ask is no fault of Kafka's.
 */
import type { Check } from "./check.ts";
import { verdictsOf } from "./verdict.ts";

const say = verdictsOf("broker-identity");

const COMPARE =
  "compare BROKER_ID, or else the number at the end of HOSTNAME, with Kafka's node.id, and LOCAL_BROKER with its listener";

export const checkBrokerIdentity: Check = ({ brokerId, answer, identity }) => {
  const isAsked = answer.kind === "answered" || answer.kind === "throttled";
  if (!isAsked) return say("unknown", answer.detail, 0);
  switch (identity.kind) {
    case "same":
      return say("pass", `node ${brokerId} answers (${identity.how})`, 0);
    case "other": {
      const who = identity.nodeId === undefined ? "another node" : `node ${identity.nodeId}`;
      return say("fail", `${who} answers, not node ${brokerId} (${identity.how}): ${COMPARE}`, 0);
    }
    case "unproven":
      return say("warn", `not checked that node ${brokerId} answers: ${identity.detail}`, 0);
  }
};
