/** The operator's commands, from an environment: `withdraw`, `release-brake`, `accept-registry`. */
import { createInterface } from "node:readline/promises";
import { openCommandLog } from "../../../shared/cli/log.ts";
import { configured, type Shell } from "../../../shared/cli/shell.ts";
import { kafkaSettings } from "../../../shared/config/kafka.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import { openKafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { kafkaLog } from "../../../shared/kafka/log.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { type OperatorConfig, readOperatorConfig } from "../config.ts";
import { acceptRegistry, releaseBrake, withdraw } from "./commands.ts";
import { type DeadDeps, withdrawDead } from "./withdraw-dead.ts";

export type OperatorRun =
  | {
      readonly command: "withdraw";
      readonly clientId: ClientId;
      readonly yes: boolean;
      readonly force: boolean;
    }
  | { readonly command: "withdraw"; readonly deadForMs: number; readonly yes: boolean }
  | { readonly command: "release-brake" | "accept-registry"; readonly yes: boolean };

export const startOperator = (run: OperatorRun, shell: Shell): Promise<ExitCode> =>
  configured(shell, readOperatorConfig(shell.environment, shell.host), (config) =>
    operate(run, config, shell),
  );

async function operate(run: OperatorRun, config: OperatorConfig, shell: Shell): Promise<ExitCode> {
  const log = kafkaLog(openCommandLog(shell, config, "stderr"));
  const client = openKafkaClient(kafkaSettings(config, "outrider-operator"), { log });
  const confirm = run.yes
    ? () => Promise.resolve(true)
    : (question: string) => ask(question, shell);
  const interrupted = new Promise<ExitCode>((resolve) => {
    shell.signal.addEventListener("abort", () => resolve(EXIT.unconfirmed), { once: true });
  });
  const performed = perform(run, { client, log, say: shell.say, clock: shell.clock, confirm });
  const code = await Promise.race([performed, interrupted]);
  await client.close();
  return code;
}

async function perform(run: OperatorRun, deps: DeadDeps): Promise<ExitCode> {
  switch (run.command) {
    case "withdraw":
      return "clientId" in run
        ? await withdraw(deps, run.clientId, run.force)
        : await withdrawDead(deps, run.deadForMs);
    case "release-brake":
      return await releaseBrake(deps);
    case "accept-registry":
      return await acceptRegistry(deps);
  }
}

/** Without a terminal the answer is no. */
async function ask(question: string, { complain }: Pick<Shell, "complain">): Promise<boolean> {
  if (!process.stdin.isTTY) {
    complain(`${question} Not asked: there is no terminal; give --yes`);
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed]);
  terminal.close();
  return /^y(?:es)?$/iu.test(answer.trim());
}
