/** Requests and answers on a kafkajs connection: versions, bytes, header tags. */

import type Connection from "kafkajs/src/network/connection.js";
import { err, ok, type Result } from "../../result.ts";
import { type ApiVersions, apiVersionsRequest, type Versions } from "../api/api-versions.ts";
import { ByteReader, ByteWriter } from "../api/bytes.ts";
import type { KafkaRequest } from "../api/request.ts";
import { type KafkaError, kafkaErrorOf } from "../error.ts";
import type { Throttle } from "./throttle.ts";

const SASL_AUTHENTICATE_KEY = 36;
/** The version of ApiVersions that we ask for; Kafka before 2.0 does not know it, and is then asked for version 0. */
const VERSIONS_NEWEST = 2;

export function decode<T>(
  request: KafkaRequest<T>,
  version: number,
  body: Buffer,
  what: string,
  throttle: Throttle,
): Result<T, KafkaError> {
  try {
    throttle.note(request, version, body, flexible(request, version));
    const reader = new ByteReader(body);
    if (flexible(request, version)) reader.tags();
    return ok(request.decode(reader, version));
  } catch (cause) {
    return err(kafkaErrorOf(cause, `${what}: reading the answer`));
  }
}

export function exchange<T>(connection: Connection, request: KafkaRequest<T>, version: number) {
  const writer = new ByteWriter();
  if (flexible(request, version)) writer.noTags();
  request.encode(writer, version);
  const bytes = writer.bytes();
  return connection.send({
    request: {
      apiKey: request.apiKey,
      apiVersion: version,
      apiName: request.apiName,
      encode: () => Promise.resolve({ buf: bytes, buffer: bytes }),
    },
    response: { decode: (payload) => payload, parse: (payload) => payload },
    logResponseError: false,
  });
}

function flexible<T>(request: KafkaRequest<T>, version: number): boolean {
  return request.flexibleFrom !== undefined && version >= request.flexibleFrom;
}

export function chooseVersion<T>(
  versions: Versions,
  request: KafkaRequest<T>,
): Result<number, KafkaError> {
  const theirs = versions.get(request.apiKey);
  const ours = request.versions;
  if (theirs !== undefined && theirs.max >= ours.min && theirs.min <= ours.max)
    return ok(Math.min(theirs.max, ours.max));
  const known = theirs === undefined ? "none" : `${theirs.min} to ${theirs.max}`;
  return err({
    code: "unsupported",
    retry: "terminal",
    detail: `${request.apiName}: we know versions ${ours.min} to ${ours.max}, the broker ${known}`,
  });
}

/**
 * Sent before authentication, as the protocol allows; without SASL it is the first request that the
 * broker's request handlers answer.
 */
export async function readVersions(connection: Connection, throttle: Throttle): Promise<Versions> {
  const newest = await askVersions(connection, throttle, VERSIONS_NEWEST);
  const { versions } = newest.errorCode === 0 ? newest : await askVersions(connection, throttle, 0);
  connection.setVersions(
    Object.fromEntries(
      [...versions].map(([key, { min, max }]) => [key, { minVersion: min, maxVersion: max }]),
    ),
  );
  connection.setSupportAuthenticationProtocol(versions.has(SASL_AUTHENTICATE_KEY));
  return versions;
}

async function askVersions(
  connection: Connection,
  throttle: Throttle,
  version: number,
): Promise<ApiVersions> {
  const request = apiVersionsRequest();
  const body = await exchange(connection, request, version);
  const answer = request.decode(new ByteReader(body), version);
  if (answer.errorCode === 0) throttle.note(request, version, body, false);
  return answer;
}
