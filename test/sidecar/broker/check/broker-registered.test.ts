import { checkBrokerRegistered } from "../../../../sidecar/broker/check/broker-registered.ts";
import { cluster, metadataOf, readIn } from "../snapshot-sample.ts";
import { controller, tableOf, unread } from "./rows.ts";

tableOf("checkBrokerRegistered", checkBrokerRegistered, [
  controller("registers as no broker"),
  unread,
  { when: "one of them passes", of: {}, want: ["pass", "one of 3 brokers"] },
  {
    when: "says so when another broker had to be asked",
    of: { metadata: readIn({ cluster: cluster({}, [0]), from: "cluster" }) },
    want: ["pass", "one of 1 broker, as another broker says"],
  },
  {
    when: "fails when it is not there, and names a few that are",
    of: metadataOf({}, [9, 1, 2, 3, 4]),
    want: ["fail", "broker 0 is not among the brokers (1, 2, 3 and 2 more)"],
  },
  {
    when: "fails when nobody is there",
    of: metadataOf({}, []),
    want: ["fail", "broker 0 is not among the brokers (none)"],
  },
]);
