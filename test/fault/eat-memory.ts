/**
 * A program that takes as much memory as it is told, a line of standard input each time, and holds it:
 * `anonymous <bytes>`; `file <bytes> <path>`, page cache. Answers each with `done`.
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";

const CHUNK_BYTES = 1024 * 1024;
const held: Buffer[] = [];

function writeFile(bytes: number, path: string): void {
  const chunk = Buffer.alloc(CHUNK_BYTES, 1);
  const file = openSync(path, "w");
  for (let written = 0; written < bytes; written += chunk.length) writeSync(file, chunk);
  fsyncSync(file);
  closeSync(file);
}

process.stdout.write("ready\n");
for await (const line of console) {
  const [kind, size, path] = line.split(" ");
  // Filled, because only a page that was touched is memory.
  if (kind === "anonymous") held.push(Buffer.alloc(Number(size), 1));
  else writeFile(Number(size), path ?? "");
  process.stdout.write(`done ${held.length}\n`);
}
