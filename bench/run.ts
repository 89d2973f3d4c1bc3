/**
 * `bun run bench NAME…` runs `bench/NAME.ts`, each in a process of its own; without a name it lists them.
 *
 * On standard output a bench prints one JSON line per figure (figure.ts), and nothing else. The exit code
 * is 1 if a bench fails or a figure misses its bar.
 */
import { basename, join } from "node:path";
import * as v from "valibot";

const HARNESS: readonly string[] = ["run", "figure"];
const WRONG_NAME = 64;

const Line = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ figure: v.string(), holds: v.optional(v.boolean()) }),
);

const complain = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const names = [...new Bun.Glob("*.ts").scanSync(import.meta.dir)]
  .map((file) => basename(file, ".ts"))
  .filter((name) => !HARNESS.includes(name))
  .sort();

/** Passes its lines on as they come; false if it fails or a figure misses its bar. */
async function runBench(name: string): Promise<boolean> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, `${name}.ts`)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const missed: string[] = [];
  let rest = "";
  const take = (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const parsed = v.safeParse(Line, line);
      if (!parsed.success) complain(`bench ${name}: no figure: ${line}`);
      if (parsed.success) process.stdout.write(`${line}\n`);
      if (parsed.success && parsed.output.holds === false) missed.push(parsed.output.figure);
    }
  };
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) take(decoder.decode(chunk, { stream: true }));
  const code = await child.exited;
  if (code !== 0) complain(`bench ${name} ended with ${child.signalCode ?? code}`);
  for (const figure of missed) complain(`bench ${name}: ${figure} misses its bar`);
  return code === 0 && missed.length === 0;
}

async function main(): Promise<number> {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !names.includes(name));
  if (wanted.length === 0 || unknown.length > 0) {
    if (unknown.length > 0) complain(`no such bench: ${unknown.join(", ")}`);
    complain(`bun run bench NAME…, of: ${names.join(", ")}`);
    return unknown.length > 0 ? WRONG_NAME : 0;
  }
  let holds = true;
  for (const name of wanted) holds = (await runBench(name)) && holds;
  return holds ? 0 : 1;
}

process.exit(await main());
