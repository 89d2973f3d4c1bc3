/** The links that are open: one per broker and lane, opened at the first use, with a growing pause between failed attempts to open one. */

import { backoffMs } from "../../backoff.ts";
import { err, type Result } from "../../result.ts";
import type { Call, KafkaRequest } from "../api/request.ts";
import type { KafkaLog } from "../cluster/client.ts";
import { pause, startDeadline } from "../deadline.ts";
import { abortedError, type KafkaError, timeoutError } from "../error.ts";
import { addressText, type BrokerAddress, type KafkaSettings } from "../settings.ts";
import { type Link, openLink } from "./connection.ts";

const LANE_DEFAULT = "main";
/** Short at most: a broker that is back is to be seen at once, and a refused connection costs little. */
const DIAL_BACKOFF = { baseMs: 20, maxMs: 1000, random: Math.random };

type Place = { link: Link | undefined; failures: number; notBeforeMs: number };

export type Links = {
  readonly send: <T>(
    address: BrokerAddress,
    request: KafkaRequest<T>,
    call: Call,
  ) => Promise<Result<T, KafkaError>>;
  readonly closeLane: (lane: string) => void;
  readonly close: () => void;
};

export function openLinks(settings: KafkaSettings, log: KafkaLog): Links {
  const lanes = new Map<string, Map<string, Place>>();
  let closed = false;

  const placeOf = (lane: string, where: string): Place => {
    const places = lanes.get(lane) ?? new Map<string, Place>();
    lanes.set(lane, places);
    const place = places.get(where) ?? { link: undefined, failures: 0, notBeforeMs: 0 };
    places.set(where, place);
    return place;
  };

  const linkOf = async (place: Place, address: BrokerAddress, call: Call): Promise<Link> => {
    const waitMs = place.notBeforeMs - performance.now();
    if (place.link?.usable() !== true && waitMs > 0) await pause(waitMs, call);
    if (place.link?.usable() === true) return place.link;
    place.link = openLink(address, settings, log);
    return place.link;
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
    const link = await linkOf(place, address, deadline.call());
    if (closed) link.drop("closed by us");
    if (call.signal?.aborted === true) return err(abortedError(what));
    if (deadline.over()) return err(timeoutError(what, Math.round(call.deadlineMs)));
    const answer = await link.send(request, deadline.call());
    if (link === place.link) note(place, link);
    return answer;
  };

  const closeLane = (lane: string) => {
    for (const place of lanes.get(lane)?.values() ?? []) place.link?.drop("closed by us");
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

/** A link that never opened counts as one more failure, one that did ends the count. */
function note(place: Place, link: Link): void {
  if (link.wasOpen()) place.failures = 0;
  if (link.usable()) return;
  place.link = undefined;
  place.notBeforeMs = performance.now() + backoffMs(place.failures, DIAL_BACKOFF);
  place.failures += 1;
}

function closedError(what: string): KafkaError {
  return { code: "unreachable", retry: "terminal", detail: `${what}: the wire is closed` };
}
