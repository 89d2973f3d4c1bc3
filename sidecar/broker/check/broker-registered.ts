/** Is this broker among those that the cluster's metadata names? A fenced or cut-off broker is not. */
import type { Check } from "./check.ts";
import { counted, readOr, someOf, verdictsOf } from "./text.ts";

const CHECK = "broker-registered";
const say = verdictsOf(CHECK);

export const checkBrokerRegistered: Check = ({ role, brokerId, metadata }) => {
  if (role === "controller") return say("skipped", "a controller registers as no broker", 0);
  const read = readOr(CHECK, metadata);
  if (!read.ok) return read.error;
  const { value, durationMs } = read.value;
  const ids = value.cluster.brokers.map(({ id }) => id).sort((a, b) => a - b);
  const source = value.from === "local" ? "" : ", as another broker says";
  return ids.includes(brokerId)
    ? say("pass", `one of ${counted(ids.length, "broker")}${source}`, durationMs)
    : say(
        "fail",
        `broker ${brokerId} is none of the brokers (${someOf(ids.map(String))})${source}`,
        durationMs,
      );
};
