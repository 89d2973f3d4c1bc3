/** The sidecar's command line. */
import * as v from "valibot";
import { command, type Program, switchFlag, valueFlag } from "../shared/cli/arguments.ts";
import { CHECK_TIMEOUT_MS, checkTimeout } from "../shared/cli/check-flag.ts";
import { age, duration, oneOf } from "../shared/config/schema.ts";
import { ClientId } from "../shared/protocol/client-id.ts";
import type { BrokerRun } from "./broker/command.ts";
import { BROKER_TABLE } from "./broker/config.ts";
import { DRAIN_MS_DEFAULT, DRAIN_MS_MAX, DRAIN_MS_MIN } from "./broker/drain.ts";
import { type CheckRun, ROLES } from "./check.ts";
import type { ControlPlaneRun } from "./control-plane/command.ts";
import { CONTROL_PLANE_TABLE, FLEET_TABLE, OPERATOR_TABLE } from "./control-plane/config.ts";
import type { OperatorRun } from "./control-plane/operator/command.ts";
import { INGEST_TABLE } from "./ingest/config.ts";

/** A parsed command line of the sidecar. */
export type SidecarRun =
  | BrokerRun
  | ControlPlaneRun
  | { readonly command: "ingest" }
  | CheckRun
  | OperatorRun;

/** A shorter age makes no sense for a clean-up; a dead cluster's worker has been stopped anyway. */
const DEAD_FOR_MIN_MS = 1000;

const yes = switchFlag({ name: "yes", describe: "Do not ask first" });

export const SIDECAR: Program<SidecarRun> = {
  name: "sidecar",
  describe: "watches the Kafka broker beside it, or keeps one worker running for each live cluster",
  fallback: "broker",
  commands: {
    broker: command({
      describe: "report health, readiness and memory of the Kafka broker beside us over HTTP",
      flags: {},
      variables: BROKER_TABLE,
      run: () => ({ command: "broker" }),
    }),
    "check live": command({
      describe: "say whether the broker beside us is alive (for an exec probe)",
      flags: {},
      variables: BROKER_TABLE,
      run: () => ({ command: "check live" }),
    }),
    "check ready": command({
      describe: "say whether it is ready (for an exec probe)",
      flags: {},
      variables: BROKER_TABLE,
      run: () => ({ command: "check ready" }),
    }),
    drain: command({
      describe: "wait until the broker beside us may be stopped",
      flags: {
        timeoutMs: valueFlag(
          { name: "timeout", placeholder: "DURATION", describe: "How long it may take (2m)" },
          duration({ minMs: DRAIN_MS_MIN, maxMs: DRAIN_MS_MAX }),
        ),
      },
      variables: BROKER_TABLE,
      run: ({ timeoutMs = DRAIN_MS_DEFAULT }) => ({ command: "drain", timeoutMs }),
    }),
    "control-plane": command({
      describe: "follow registry and heartbeats, and run the workers",
      flags: {
        plan: switchFlag({ name: "plan", describe: "Print what would be done, and exit" }),
        takeOver: switchFlag({
          name: "take-over",
          describe: "Replace containers that the original made for registered clusters",
        }),
      },
      variables: CONTROL_PLANE_TABLE,
      run: (flags) => ({ command: "control-plane", ...flags }),
    }),
    ingest: command({
      describe: "store in PostgreSQL what agents collect; with CLIENT_ID, be one cluster's worker",
      flags: {},
      variables: INGEST_TABLE,
      run: () => ({ command: "ingest" }),
    }),
    "check kafka": command({
      describe: "say step by step whether Kafka can be used, and what to fix",
      flags: {
        role: valueFlag(
          {
            name: "as",
            placeholder: "ROLE",
            describe: `One of ${ROLES.join(", ")} (control-plane)`,
          },
          oneOf(ROLES),
        ),
        timeoutMs: checkTimeout,
      },
      variables: FLEET_TABLE,
      run: ({ role = "control-plane", timeoutMs = CHECK_TIMEOUT_MS }) => ({
        command: "check kafka",
        role,
        timeoutMs,
      }),
    }),
    withdraw: command({
      describe: "write the tombstone of a cluster in its place, or of all that are long dead",
      flags: {
        clientId: valueFlag(
          { name: "client-id", placeholder: "ID", describe: "The cluster to withdraw" },
          v.pipe(v.string(), ClientId),
        ),
        deadForMs: valueFlag(
          {
            name: "dead-for",
            placeholder: "DURATION",
            describe: "In its place: all clusters that have been dead for longer, such as 30d",
          },
          age({ minMs: DEAD_FOR_MIN_MS }),
        ),
        yes,
        force: switchFlag({
          name: "force",
          describe: "Withdraw although two agents beat under this client id",
        }),
      },
      variables: OPERATOR_TABLE,
      wrong: ({ clientId, deadForMs, force }) => {
        if ((clientId === undefined) === (deadForMs === undefined)) {
          return "withdraw wants --client-id or --dead-for, and not both";
        }
        return force && deadForMs !== undefined ? "--force is for --client-id alone" : undefined;
      },
      run: ({ clientId, deadForMs = 0, yes: sure, force }) =>
        clientId === undefined
          ? { command: "withdraw", deadForMs, yes: sure }
          : { command: "withdraw", clientId, yes: sure, force },
    }),
    "release-brake": command({
      describe: "let the clusters that are silent now be cleaned up",
      flags: { yes },
      variables: OPERATOR_TABLE,
      run: (flags) => ({ command: "release-brake", ...flags }),
    }),
    "accept-registry": command({
      describe: "accept a registry topic that was recreated",
      flags: { yes },
      variables: OPERATOR_TABLE,
      run: (flags) => ({ command: "accept-registry", ...flags }),
    }),
  },
};
