/**
 * What a configuration may read from the machine: a secret's file, whether a directory is writable, whether
 * there is a terminal.
 */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { err, ok, type Result } from "../result.ts";

export type Host = {
  /** True when standard output is a terminal. */
  readonly terminal: boolean;
  /** The whole text; the error names the path and the reason. */
  readonly readFile: (path: string) => Result<string, string>;
  /** Whether files can be created there, perhaps after creating that directory in an existing one. */
  readonly writable: (directory: string) => boolean;
};

export function openHost(): Host {
  return { terminal: process.stdout.isTTY === true, readFile: readText, writable };
}

function readText(path: string): Result<string, string> {
  try {
    return ok(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(`the file ${path} cannot be read: ${reason}`);
  }
}

function writable(directory: string): boolean {
  try {
    accessSync(existsSync(directory) ? directory : dirname(directory), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
