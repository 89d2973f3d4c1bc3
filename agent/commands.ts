/** The agent's command line. */
import { command, type Program, switchFlag, valueFlag } from "../shared/cli/arguments.ts";
import { CHECK_TIMEOUT_MS, checkTimeout } from "../shared/cli/check-flag.ts";
import { KAFKA_TABLE } from "../shared/config/kafka.ts";
import { duration, oneOf } from "../shared/config/schema.ts";
import { COLLECT_COMMAND_TABLE } from "./collect/config.ts";
import type { CollectMode } from "./collect/life.ts";
import { AGENT_TABLE, HOOK_MAX_MS } from "./config.ts";
import type { FailurePolicy } from "./register/failure-policy.ts";

/** Of `collect --mode once`. */
const COLLECT_MS_MAX = 600_000;

/** A parsed command line of the agent. */
export type AgentRun =
  | {
      readonly command: "register" | "deregister";
      readonly waitMs: number | undefined;
      readonly failurePolicy: FailurePolicy;
      /** Only for `deregister`. */
      readonly force: boolean;
    }
  | { readonly command: "heartbeat" }
  | { readonly command: "run"; readonly deregisterOnExit: boolean; readonly reRegister: boolean }
  | {
      readonly command: "collect";
      readonly mode: CollectMode;
      /** Of `once`. */
      readonly timeoutMs: number;
    }
  | { readonly command: "check kafka"; readonly timeoutMs: number };

const wait = (until: string) =>
  valueFlag(
    {
      name: "wait",
      placeholder: "DURATION",
      describe: `Wait for at most this long until ${until}`,
    },
    duration({ minMs: 1000, maxMs: HOOK_MAX_MS }),
  );

const onUnconfirmed = valueFlag(
  {
    name: "on-unconfirmed",
    placeholder: "fail|warn",
    describe: "What to do when --wait gets no answer although Kafka has the record (fail)",
  },
  oneOf(["fail", "warn"]),
);

const onFailure = valueFlag(
  {
    name: "on-failure",
    placeholder: "fail|ignore",
    describe: "ignore: say what went wrong, and exit with 0 (fail)",
  },
  oneOf(["fail", "ignore"]),
);

export const AGENT: Program<AgentRun> = {
  name: "agent",
  describe: "announces this cluster to the control plane",
  commands: {
    register: command({
      describe: "write the registration, and exit",
      flags: { waitMs: wait("the cluster's worker runs"), onUnconfirmed },
      variables: AGENT_TABLE,
      run: ({ waitMs, onUnconfirmed: action }) => ({
        ...{ command: "register", waitMs },
        failurePolicy: action === "warn" ? "unconfirmed" : "nothing",
        force: false,
      }),
    }),
    heartbeat: command({
      describe: "send heartbeats until stopped",
      flags: {},
      variables: AGENT_TABLE,
      run: () => ({ command: "heartbeat" }),
    }),
    deregister: command({
      describe: "write the tombstone, and exit",
      flags: {
        waitMs: wait("the cluster's worker and group are gone"),
        onFailure,
        force: switchFlag({
          name: "force",
          describe: "Withdraw although two agents beat under this client id",
        }),
      },
      variables: AGENT_TABLE,
      run: ({ waitMs, onFailure: action, force }) => ({
        ...{ command: "deregister", waitMs, force },
        failurePolicy: action === "ignore" ? "everything" : "nothing",
      }),
    }),
    run: command({
      describe: "register, then send heartbeats until stopped",
      flags: {
        deregisterOnExit: switchFlag({
          name: "deregister-on-exit",
          describe: "Write the tombstone when stopped",
        }),
        reRegister: switchFlag({
          name: "re-register",
          describe: "Register although an operator has withdrawn this cluster",
        }),
      },
      variables: AGENT_TABLE,
      run: (flags) => ({ command: "run", ...flags }),
    }),
    collect: command({
      describe:
        "send what is in this cluster: --mode watch until stopped, --mode once one full pass",
      flags: {
        mode: valueFlag(
          {
            name: "mode",
            placeholder: "watch|once",
            describe: "Go on, or end after one pass (watch)",
          },
          oneOf(["watch", "once"]),
        ),
        timeoutMs: valueFlag(
          {
            name: "timeout",
            placeholder: "DURATION",
            describe: "Of --mode once, how long at most (10m)",
          },
          duration({ minMs: 1000, maxMs: HOOK_MAX_MS }),
        ),
      },
      variables: COLLECT_COMMAND_TABLE,
      run: ({ mode = "watch", timeoutMs = COLLECT_MS_MAX }) => ({
        ...{ command: "collect", mode, timeoutMs },
      }),
    }),
    "check kafka": command({
      describe: "say step by step whether Kafka can be used, and what to fix",
      flags: { timeoutMs: checkTimeout },
      variables: KAFKA_TABLE,
      run: ({ timeoutMs = CHECK_TIMEOUT_MS }) => ({ command: "check kafka", timeoutMs }),
    }),
  },
};
