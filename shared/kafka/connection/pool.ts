/**
 * The open connections: one per broker and lane, opened at the first use, with a growing pause between
 * failed attempts.
 */

import { backoffMs } from "../../backoff.ts";
import { sleep, systemClock } from "../../clock.ts";
import { type Call, startDeadline } from "../../deadline.ts";
import { err, type Result } from "../../result.ts";
import type { KafkaRequest } from "../api/request.ts";
import { abortedError, type KafkaError, timeoutError } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { addressText, type BrokerAddress, type KafkaSettings } from "../settings.ts";
import { type BrokerConnection, openBrokerConnection } from "./connection.ts";

const LANE_DEFAULT = "main";
/** The maximum is short: a broker that is back should be noticed at once, and a refused connection costs little. */
const DIAL_BACKOFF = { baseMs: 20, maxMs: 1000 } as const;

type Place = { connection: BrokerConnection | undefined; failures: number; notBeforeMs: number };

export type ConnectionPool = {
  readonly send: <T>(
    address: BrokerAddress,
    request: KafkaRequest<T>,
    call: Call,
  ) => Promise<Result<T, KafkaError>>;
  readonly closeLane: (lane: string) => void;
  readonly close: () => void;
};

export function openConnectionPool(settings: KafkaSettings, log: KafkaLog): ConnectionPool {
  const lanes = new Map<string, Map<string, Place>>();
  let closed = false;

  const placeOf = (lane: string, where: string): Place => {
    const places = lanes.get(lane) ?? new Map<string, Place>();
    lanes.set(lane, places);
    const place = places.get(where) ?? { connection: undefined, failures: 0, notBeforeMs: 0 };
    places.set(where, place);
    return place;
  };

  const linkOf = async (
    place: Place,
    address: BrokerAddress,
    call: Call,
  ): Promise<BrokerConnection> => {
    const waitMs = Math.min(place.notBeforeMs - systemClock.monotonicMs(), call.deadlineMs);
    if (place.connection?.usable() !== true && waitMs > 0) await sleep(waitMs, call.signal);
    if (place.connection?.usable() === true) return place.connection;
    place.connection = openBrokerConnection(address, settings, log);
    return place.connection;
  };

  const send = async <T>(
    address: BrokerAddress,
    request: KafkaRequest<T>,
    call: Call,
  ): Promise<Result<T, KafkaError>> => {
    const deadline = startDeadline(call);
    const where = addressText(address);
    const what = `${request.apiName} to ${where}`;
    const place = placeOf(request.lane ?? LANE_DEFAULT, where);
    if (closed) return err(closedError(what));
    const connection = await linkOf(place, address, deadline.call());
    if (closed) connection.drop("closed by us");
    if (call.signal?.aborted === true) return err(abortedError(what));
    if (deadline.over()) return err(timeoutError(what, Math.round(call.deadlineMs)));
    const answer = await connection.send(request, deadline.call());
    if (connection === place.connection) note(place, connection);
    return answer;
  };

  const closeLane = (lane: string) => {
    for (const place of lanes.get(lane)?.values() ?? []) place.connection?.drop("closed by us");
    lanes.delete(lane);
  };

  return {
    send,
    closeLane,
    close: () => {
      closed = true;
      for (const lane of [...lanes.keys()]) closeLane(lane);
    },
  };
}

/** A connection that never opened counts as one more failure; one that did open resets the count. */
function note(place: Place, connection: BrokerConnection): void {
  if (connection.wasOpen()) place.failures = 0;
  if (connection.usable()) return;
  place.connection = undefined;
  const waitMs = backoffMs(place.failures, DIAL_BACKOFF, systemClock.random());
  place.notBeforeMs = systemClock.monotonicMs() + waitMs;
  place.failures += 1;
}

function closedError(what: string): KafkaError {
  return { code: "unreachable", retry: "terminal", detail: `${what}: the client is closed` };
}
