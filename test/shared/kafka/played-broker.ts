/** A broker on a real socket that answers one request of a connection after the other, as Kafka does. */
import { createServer, type Socket } from "node:net";
import { ByteReader, ByteWriter } from "../../../shared/kafka/api/bytes.ts";
import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";

export type PlayedAnswer = ByteWriter | "never" | "end" | "reset";
type Answers = (apiKey: number, body: ByteReader) => Promise<PlayedAnswer> | PlayedAnswer;

export type PlayedBroker = {
  readonly address: { readonly host: string; readonly port: number };
  readonly connections: () => number;
  readonly close: () => void;
};

export type PlayedLimits = {
  readonly throttleMs?: () => number;
  readonly takes?: () => boolean;
  /** Waited for before an answer to ApiVersions. */
  readonly pause?: () => Promise<void>;
};

const API_VERSIONS = 18;
const SASL_HANDSHAKE = 17;
type Key = readonly [key: number, min: number, max: number];
const KEYS: readonly Key[] = [
  [API_VERSIONS, 0, 3],
  [SASL_HANDSHAKE, 0, 1],
  [36, 0, 2],
  [0, 0, 9],
  [2, 0, 9],
];

/**
 * ApiVersions and SaslHandshake (PLAIN) are answered by itself; `more` are API keys that it knows besides.
 * After `answersMax` answers it ends a connection. A quota mutes a connection after each answer to ApiVersions,
 * for what `throttleMs` gives at that moment; `takes`: false, and a new connection is ended at once.
 */
export async function playBroker(
  answers: Answers,
  more: readonly Key[] = [],
  answersMax = Number.POSITIVE_INFINITY,
  { throttleMs = () => 0, takes = () => true, pause = async () => {} }: PlayedLimits = {},
): Promise<PlayedBroker> {
  const keys = [...KEYS, ...more];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    if (takes()) serve(socket, answers, keys, { answersMax, throttleMs, pause });
    else socket.destroy();
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return {
    address: { host: "127.0.0.1", port },
    connections: () => sockets.size,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A request without content. */
export function playedRequest(apiKey: number, apiName: string): KafkaRequest<number> {
  const versions = { min: 0, max: 9 };
  return { apiKey, apiName, versions, throttle: "none", encode: () => {}, decode: () => apiKey };
}

type Limits = Required<Omit<PlayedLimits, "takes">> & { readonly answersMax: number };

function serve(socket: Socket, answers: Answers, keys: readonly Key[], limits: Limits): void {
  let answered = 0;
  let bytes = Buffer.alloc(0);
  let turn = Promise.resolve();
  socket.on("data", (more) => {
    bytes = Buffer.concat([bytes, typeof more === "string" ? Buffer.from(more) : more]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
      const length = bytes.readInt32BE(0);
      const frame = bytes.subarray(4, 4 + length);
      bytes = bytes.subarray(4 + length);
      if (answered >= limits.answersMax) {
        turn = turn.then(() => void socket.end());
        return;
      }
      answered += 1;
      turn = turn.then(() => answerOne(socket, frame, answers, keys, limits));
    }
  });
}

async function answerOne(
  socket: Socket,
  frame: Buffer,
  answers: Answers,
  keys: readonly Key[],
  { throttleMs, pause }: Limits,
): Promise<void> {
  const apiKey = frame.readInt16BE(0);
  if (apiKey === API_VERSIONS) await pause();
  const mutedMs = apiKey === API_VERSIONS ? throttleMs() : 0;
  const answer =
    own(apiKey, frame.readInt16BE(2), keys, mutedMs) ??
    (await answers(apiKey, new ByteReader(frame.subarray(8))));
  if (answer === "end") socket.end();
  if (answer === "reset") socket.resetAndDestroy();
  if (typeof answer === "string") return await new Promise(() => {});
  const body = Buffer.concat([frame.subarray(4, 8), answer.bytes()]);
  if (!socket.destroyed)
    socket.write(Buffer.concat([new ByteWriter().int32(body.length).bytes(), body]));
  if (mutedMs > 0) await Bun.sleep(mutedMs);
}

function own(
  apiKey: number,
  version: number,
  keys: readonly Key[],
  throttleMs: number,
): ByteWriter | undefined {
  if (apiKey === API_VERSIONS) return playedVersions(version, keys, throttleMs);
  if (apiKey === SASL_HANDSHAKE)
    return new ByteWriter().int16(0).array(["PLAIN"], (row, name) => row.string(name));
  return undefined;
}

const playedVersions = (version: number, keys: readonly Key[], throttleMs: number): ByteWriter => {
  const writer = new ByteWriter()
    .int16(0)
    .array(keys, (row, [key, min, max]) => row.int16(key).int16(min).int16(max));
  return version === 0 ? writer : writer.int32(throttleMs);
};
