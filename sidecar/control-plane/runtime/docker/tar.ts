/**
 * Files as a tar archive (ustar, POSIX.1-2001 "pax", Extended description of ustar), which the engine
 * unpacks into a container. Pure.
 */
const BLOCK_BYTES = 512;
const NAME_BYTES_MAX = 100;
/** Readable for every user of the container, since the image chooses the user; on the host only root has access. */
const MODE = 0o444;

/** @throws Error on a name that the format cannot hold */
export function tarOf(files: ReadonlyMap<string, string>): Buffer {
  const parts = [...files].flatMap(([name, text]) => {
    const content = Buffer.from(text);
    const rest = (BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES;
    return [header(name, content.length), content, Buffer.alloc(rest)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)]);
}

function header(name: string, bytes: number): Buffer {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
    throw new Error(`the file name ${name} is longer than ${NAME_BYTES_MAX} bytes`);
  }
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at);
  block.write(name, 0);
  octal(MODE, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes, 124, 12);
  octal(0, 136, 12);
  // The checksum is computed with spaces in its own field.
  block.write("        ", 148);
  block.write("0", 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
