/** The runtime contract on real processes of this host. */
import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runtimeContract } from "./runtime.ts";
import {
  killAll,
  makeStateDir,
  openRuntime,
  processesOf,
  signalPid,
  variablesOf,
} from "./runtime-process-bed.ts";
import type { RuntimeSubject } from "./runtime-subject.ts";

runtimeContract("process", async (): Promise<RuntimeSubject> => {
  const directory = await makeStateDir();
  const pidsOf = (instance: string) =>
    processesOf(directory)
      .filter((each) => each.variables["OUTRIDER_INSTANCE"] === instance)
      .map((each) => each.pid);
  return {
    runtime: openRuntime(directory),
    reopen: () => Promise.resolve(openRuntime(directory)),
    foreignNamed: async (name) => {
      const path = join(directory, "workers", `${name}.json`);
      await writeFile(path, "somebody else's");
      return () =>
        Promise.resolve(existsSync(path) && readFileSync(path, "utf8") === "somebody else's");
    },
    signal: (worker, name) => {
      for (const pid of pidsOf(worker.instance)) signalPid(pid, name);
      return Promise.resolve();
    },
    release: async (worker) => {
      await writeFile(join(directory, `release-${worker.clientId}`), "");
    },
    lives: (worker) => Promise.resolve(pidsOf(worker.instance).length > 0),
    environmentOf: (worker) => Promise.resolve(variablesOf(pidsOf(worker.instance)[0] ?? 0) ?? {}),
    many: 1000,
    cleanup: async () => {
      await killAll(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
});
