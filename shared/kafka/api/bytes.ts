/**
 * Kafka's primitive types on the wire (https://kafka.apache.org/protocol#protocol_types). The "compact"
 * ones are for flexible versions. The reader throws RangeError beyond the end, whatever the bytes; it never
 * copies.
 */

const HIGH = 0x1_0000_0000;
const VARINT_BYTES_MAX = 5;

export class ByteReader {
  readonly bytes: Buffer;
  offset = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  int8(): number {
    return this.bytes.readInt8(this.advance(1));
  }

  int16(): number {
    return this.bytes.readInt16BE(this.advance(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.advance(4));
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.advance(4));
  }

  /** Returned as a number: Kafka's offsets and times stay below 2^53. */
  int64(): number {
    const at = this.advance(8);
    return this.bytes.readInt32BE(at) * HIGH + this.bytes.readUInt32BE(at + 4);
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  uvarint(): number {
    let value = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index += 1) {
      const byte = this.bytes.readUInt8(this.advance(1));
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    throw new RangeError(`a varint has more than ${VARINT_BYTES_MAX} bytes`);
  }

  uuid(): string {
    const hex = this.raw(16).toString("hex");
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      hex.slice(12, 16),
      hex.slice(16, 20),
      hex.slice(20),
    ].join("-");
  }

  raw(length: number): Buffer {
    const at = this.advance(length);
    return this.bytes.subarray(at, at + length);
  }

  string(): string {
    return this.nullableString() ?? "";
  }

  nullableString(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.raw(length).toString("utf8");
  }

  nullableBytes(): Buffer | null {
    const length = this.int32();
    return length < 0 ? null : this.raw(length);
  }

  array<T>(item: (reader: ByteReader) => T): T[] {
    return this.items(this.int32(), item);
  }

  compactString(): string {
    return this.compactNullableString() ?? "";
  }

  compactNullableString(): string | null {
    const length = this.uvarint();
    return length === 0 ? null : this.raw(length - 1).toString("utf8");
  }

  compactArray<T>(item: (reader: ByteReader) => T): T[] {
    return this.items(this.uvarint() - 1, item);
  }

  /** Skips the tagged fields that end each structure of a flexible version. */
  tags(): void {
    const count = this.uvarint();
    for (let index = 0; index < count; index += 1) {
      this.uvarint();
      this.advance(this.uvarint());
    }
  }

  private items<T>(count: number, item: (reader: ByteReader) => T): T[] {
    const found: T[] = [];
    for (let index = 0; index < count; index += 1) found.push(item(this));
    return found;
  }

  private advance(length: number): number {
    const at = this.offset;
    if (length < 0 || at + length > this.bytes.length)
      throw new RangeError(`${length} bytes wanted at ${at} of ${this.bytes.length}`);
    this.offset = at + length;
    return at;
  }
}

const INITIAL_BYTES = 256;

/**
 * Each method returns the writer, so that a message reads as one chain. `reserve` may replace the buffer:
 * call it first, and read `this.buffer` after it.
 */
export class ByteWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(initialBytes = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  get size(): number {
    return this.length;
  }

  int8(value: number): this {
    const at = this.reserve(1);
    this.buffer.writeInt8(value, at);
    return this;
  }

  int16(value: number): this {
    const at = this.reserve(2);
    this.buffer.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.reserve(4);
    this.buffer.writeInt32BE(value, at);
    return this;
  }

  uint32(value: number): this {
    const at = this.reserve(4);
    this.buffer.writeUInt32BE(value, at);
    return this;
  }

  int64(value: number): this {
    const at = this.reserve(8);
    this.buffer.writeInt32BE(Math.floor(value / HIGH), at);
    this.buffer.writeUInt32BE(((value % HIGH) + HIGH) % HIGH, at + 4);
    return this;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  uvarint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.int8(((rest % 0x80) | 0x80) - 0x100);
      rest = Math.floor(rest / 0x80);
    }
    return this.int8(rest);
  }

  /** Zigzag, as inside records. */
  varint(value: number): this {
    return this.uvarint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  raw(value: Uint8Array): this {
    const at = this.reserve(value.length);
    this.buffer.set(value, at);
    return this;
  }

  string(value: string): this {
    const text = Buffer.from(value);
    return this.int16(text.length).raw(text);
  }

  nullableString(value: string | null): this {
    return value === null ? this.int16(-1) : this.string(value);
  }

  nullableBytes(value: Buffer | null): this {
    return value === null ? this.int32(-1) : this.int32(value.length).raw(value);
  }

  array<T>(items: readonly T[], item: (writer: this, value: T) => void): this {
    this.int32(items.length);
    for (const value of items) item(this, value);
    return this;
  }

  compactString(value: string): this {
    const text = Buffer.from(value);
    return this.uvarint(text.length + 1).raw(text);
  }

  compactArray<T>(items: readonly T[] | null, item: (writer: this, value: T) => void): this {
    if (items === null) return this.uvarint(0);
    this.uvarint(items.length + 1);
    for (const value of items) item(this, value);
    return this;
  }

  noTags(): this {
    return this.uvarint(0);
  }

  private reserve(count: number): number {
    const at = this.length;
    if (at + count > this.buffer.length) this.grow(at + count);
    this.length = at + count;
    return at;
  }

  private grow(needed: number): void {
    const bigger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(bigger, 0, 0, this.length);
    this.buffer = bigger;
  }
}
