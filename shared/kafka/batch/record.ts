/** Records as our code sees them. */

export type KafkaRecord = {
  readonly offset: number;
  readonly timestampMs: number;
  /** append: the broker's clock (LogAppendTime); create: the sender's. */
  readonly timestampType: "create" | "append";
  readonly key: Buffer | null;
  /** null: a tombstone. An empty Buffer is an empty value, never a delete. */
  readonly value: Buffer | null;
  /** Decoded on demand. Of several headers with one name the last wins; a null value is the empty text. */
  readonly headers: () => Readonly<Record<string, string>>;
};

export type OutRecord = {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly partition?: number;
};

/** A batch that could not be decoded: its offsets are skipped. */
export type CorruptBatch = {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly detail: string;
};
