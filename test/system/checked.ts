/** Runs `check kafka` as users do, and reads its lines. */
import { createServer, type Server } from "node:net";
import { binaries } from "../bed/binaries.ts";
import { startProcess } from "../bed/process.ts";

export type Environment = Readonly<Record<string, string>>;
export type Hung = { readonly server: Server; readonly port: number };

/** Accepts connections, reads, never answers. */
export async function listenAndSayNothing(): Promise<Hung> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.resume();
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a port");
  return { server, port: address.port };
}

type Checked = {
  readonly code: number | null;
  readonly output: string;
  /** Names of steps by their outcome. */
  readonly steps: (outcome: "ok" | "warning" | "FAILED") => readonly string[];
};

export async function check(
  program: "agent" | "sidecar",
  env: Environment,
  ...flags: readonly string[]
): Promise<Checked> {
  const process = startProcess({
    name: `${program} check kafka`,
    command: [(await binaries())[program], "check", "kafka", ...flags],
    env: { PATH: "/usr/bin:/bin", HOME: "/tmp", ...env },
  });
  const { code } = await process.exited;
  const lines = process.stdout().split("\n");
  return {
    code,
    output: process.output(),
    steps: (outcome) =>
      lines.flatMap((line) => {
        const match = /^(?<outcome>\w+) {2,}(?<name>.{40}) {2}/u.exec(line)?.groups;
        return match?.["outcome"] === outcome ? [match["name"]?.trim() ?? ""] : [];
      }),
  };
}
