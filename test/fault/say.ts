/** What a fault test tells a reader: figures and seeds. */
export function say(line: string): void {
  process.stderr.write(`fault: ${line}\n`);
}
