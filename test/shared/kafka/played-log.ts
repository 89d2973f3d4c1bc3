/** A Kafka of one broker that keeps one partition per topic in memory, for what a real one does at the wrong moment only. */
import { sleep } from "../../../shared/clock.ts";
import { type ByteReader, ByteWriter } from "../../../shared/kafka/api/bytes.ts";
import { EARLIEST } from "../../../shared/kafka/api/list-offsets.ts";
import { decodeBatches } from "../../../shared/kafka/batch/decode.ts";
import { encodeBatch, encodeRecord } from "../../../shared/kafka/batch/encode.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { playedClient } from "./played-wire.ts";

export type PlayedRecord = { readonly key: string; readonly value: string | null };
/** `start`: the offset of the first record. `refuses`: the error code of ListOffsets. */
export type PlayedLog = { start: number; records: PlayedRecord[]; refuses?: number };
export type PlayedLogs = Readonly<Record<string, PlayedLog>>;

const OFFSET_OUT_OF_RANGE = 1;
const IDLE_MS = 20;

/** `after` is called after each answer, and may change the logs. */
export function playLogs(
  logs: PlayedLogs,
  after: (apiName: string, topic: string) => void = () => undefined,
): KafkaClient {
  const logOf = (topic: string): PlayedLog => logs[topic] ?? { start: 0, records: [] };
  const answers = new Map<string, (topic: string, body: ByteReader) => ByteWriter>([
    ["ListOffsets", (topic, body) => listed(topic, logOf(topic), body)],
    ["Fetch", (topic, body) => fetched(topic, logOf(topic), body)],
    ["Produce", (topic, body) => produced(topic, logOf(topic), body)],
  ]);
  return playedClient({
    leaders: () => Object.fromEntries(Object.keys(logs).map((topic) => [topic, 1])),
    answer: async (_, { apiName, body }) => {
      skipHead(apiName, body);
      const topic = body.string();
      body.int32();
      const answer = answers.get(apiName)?.(topic, body);
      if (apiName === "Fetch") await sleep(IDLE_MS);
      after(apiName, topic);
      return answer;
    },
  });
}

const endOf = ({ start, records }: PlayedLog): number => start + records.length;

/** Up to the name of the one topic. */
function skipHead(apiName: string, body: ByteReader): void {
  if (apiName === "Produce") {
    body.nullableString();
    body.int16();
  }
  body.int32();
  if (apiName === "ListOffsets") body.int8();
  if (apiName === "Fetch") {
    for (let n = 0; n < 3; n += 1) body.int32();
    body.int8();
    body.int32();
    body.int32();
  }
  body.int32();
}

/** Version 3. */
function listed(topic: string, log: PlayedLog, body: ByteReader): ByteWriter {
  body.int32();
  const offset = body.int64() === EARLIEST ? log.start : endOf(log);
  return new ByteWriter().int32(0).array([topic], (topics, name) =>
    topics.string(name).array([log.refuses ?? 0], (row, errorCode) => {
      row.int32(0).int16(errorCode).int64(-1).int64(offset);
    }),
  );
}

/** Version 11. */
function fetched(topic: string, log: PlayedLog, body: ByteReader): ByteWriter {
  body.int32();
  body.int32();
  const offset = body.int64();
  const isThere = offset >= log.start && offset <= endOf(log);
  const bytes = isThere ? batchOf(log.records.slice(offset - log.start), offset) : Buffer.alloc(0);
  return new ByteWriter()
    .int32(0)
    .int16(0)
    .int32(0)
    .array([topic], (topics, name) =>
      topics.string(name).array([isThere ? 0 : OFFSET_OUT_OF_RANGE], (row, errorCode) => {
        row.int32(0).int16(errorCode).int64(endOf(log)).int64(endOf(log)).int64(0);
        row
          .array([], () => {})
          .int32(-1)
          .nullableBytes(bytes);
      }),
    );
}

function batchOf(records: readonly PlayedRecord[], offset: number): Buffer {
  if (records.length === 0) return Buffer.alloc(0);
  const bytes = encodeBatch(records.map(encodeRecord), 0);
  bytes.writeBigInt64BE(BigInt(offset));
  return bytes;
}

/** Version 7. */
function produced(topic: string, log: PlayedLog, body: ByteReader): ByteWriter {
  body.int32();
  const base = endOf(log);
  const { records } = decodeBatches(body.nullableBytes() ?? Buffer.alloc(0), 0);
  for (const { key, value } of records)
    log.records.push({ key: String(key), value: value === null ? null : String(value) });
  return new ByteWriter()
    .array([topic], (topics, name) =>
      topics.string(name).array([base], (row, offset) => {
        row.int32(0).int16(0).int64(offset).int64(-1).int64(0);
      }),
    )
    .int32(0);
}
