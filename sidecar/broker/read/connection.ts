/**
 * One connection to the local broker, kept open over all rounds. A call on it ends when the broker
 * answers or the connection does, never by time: who asks decides how long to wait.
 *
 * Before credentials go out of date (a file was rotated, KIP-368's session nears its end), a new
 * connection is opened and authenticated beside the old one, which serves until then; when that fails,
 * the old one stays, for as long as the broker takes it. So it does when it is silent: at the broker's
 * limit of connections it could not be had again.
 */

import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import { expiredCertificate } from "../../../shared/kafka/connection/client-certificate.ts";
import {
  type BrokerConnection,
  openBrokerConnection,
  type Reached,
} from "../../../shared/kafka/connection/connection.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import type { BrokerAddress, KafkaSettings } from "../../../shared/kafka/settings.ts";
import { err, type Result } from "../../../shared/result.ts";
import { answerOf } from "./listener.ts";

/** A guard only: the rounds end a call long before. */
const CALL_MS_MAX = 600_000;
const RENEW_MS_MAX = 10_000;
const RENEW_PAUSE_MS = 10_000;
/** Of a session's lifetime, after which another connection is opened: time for a second attempt. */
const SESSION_SHARE = 0.5;
const EXCHANGED = "exchanged for one with the credentials of now";
const REPLACED = "it was silent, and another one could be opened";
const REFUSED_ANEW = "the new credentials are not taken; the open connection stays";
const NOT_REPLACED = "the connection is silent, and no other one can be opened: it stays";

export type RenewableConnectionOptions = {
  readonly address: BrokerAddress;
  readonly settings: KafkaSettings;
  /** Changes whenever what we authenticate with does. */
  readonly credentials: () => string;
  readonly log: KafkaLog;
  readonly monotonicMs: () => number;
};

export type Asking<T> = {
  readonly answer: Promise<Result<T, KafkaError>>;
  /** When it went out; undefined while its link is being opened, or a quota holds it back. */
  readonly sentMs: () => number | undefined;
  /** For how long a quota of the broker's mutes the link that is asked yet; below 0: since when not any more. */
  readonly throttledForMs: () => number;
  /** How far the link has come that is asked. */
  readonly reached: () => Reached;
  /** Ends the link that is asked, which need not be the connection's any more. */
  readonly drop: (reason: string) => void;
};

export type RenewableConnection = {
  readonly begin: <T>(request: KafkaRequest<T>) => Asking<T>;
  /** The answer alone. */
  readonly ask: <T>(request: KafkaRequest<T>) => Promise<Result<T, KafkaError>>;
  /** The API keys that the broker knows, on the connection as it is. */
  readonly apis: () => Promise<ReadonlySet<number> | undefined>;
  /** Another number for each connection that was opened. */
  readonly linkId: () => number;
  /** Is it open, authenticated and good? */
  readonly isOpen: () => boolean;
  /** How many answers of the broker's request handlers came, over all of its links. */
  readonly handled: () => number;
  /** Starts to renew it when that is due. */
  readonly freshen: () => void;
  /** Starts to open another link beside one that is silent, which serves until the new one is open. */
  readonly challenge: () => void;
  /** Ends it with what is under way; the next call opens another one. */
  readonly drop: (reason: string) => void;
};

type Held = {
  readonly id: number;
  readonly link: BrokerConnection;
  readonly credentials: string;
  readonly sinceMs: number;
};

export function openRenewableConnection(options: RenewableConnectionOptions): RenewableConnection {
  const { settings, log, monotonicMs } = options;
  let held: Held | undefined;
  const { dial, handled } = openDialler(options);

  const good = (): Held | undefined => {
    if (held?.link.usable() !== true) return undefined;
    if (sessionSpent(held, monotonicMs()) < 1) return held;
    held.link.drop("its session is over");
    return undefined;
  };

  const current = (): BrokerConnection => {
    held = good() ?? dial();
    return held.link;
  };

  const isDue = (open: Held): boolean =>
    options.credentials() !== open.credentials || sessionSpent(open, monotonicMs()) > SESSION_SHARE;

  const isOpen = (): boolean => good()?.link.wasOpen() === true;

  const renewal = openRenewal({
    ...{ dial, log, monotonicMs, current: () => held },
    exchange: (next) => {
      held = next;
    },
  });

  const begin = <T>(request: KafkaRequest<T>): Asking<T> => {
    const link = current();
    let sentMs: number | undefined;
    const onSent = () => {
      sentMs = monotonicMs();
    };
    return {
      answer: send(link, request, settings, onSent),
      sentMs: () => sentMs,
      throttledForMs: link.throttledForMs,
      reached: link.reached,
      drop: (reason) => {
        link.drop(reason);
        if (held?.link === link) held = undefined;
      },
    };
  };

  return {
    begin,
    ask: (request) => begin(request).answer,
    apis: async () => {
      const opened = await current().open({ deadlineMs: CALL_MS_MAX });
      return opened.ok ? new Set(opened.value.keys()) : undefined;
    },
    linkId: () => held?.id ?? 0,
    isOpen,
    handled,
    freshen: () => {
      const open = isOpen() ? held : undefined;
      if (open === undefined || !isDue(open)) return;
      renewal.begin((old) => old.retire(EXCHANGED), REFUSED_ANEW);
    },
    challenge: () => renewal.begin((old) => old.drop(REPLACED), NOT_REPLACED),
    drop: (reason) => {
      held?.link.drop(reason);
      renewal.drop(reason);
      held = undefined;
    },
  };
}

function openDialler({
  address,
  settings,
  credentials,
  log,
  monotonicMs,
}: RenewableConnectionOptions) {
  const links = new Set<BrokerConnection>();
  let handledBefore = 0;
  let dials = 0;
  return {
    dial: (): Held => {
      dials += 1;
      const link = openBrokerConnection(address, { ...settings, reauthenticates: false }, log);
      links.add(link);
      return { id: dials, link, credentials: credentials(), sinceMs: monotonicMs() };
    },
    handled: (): number => {
      for (const link of [...links].filter((each) => !each.usable())) {
        links.delete(link);
        handledBefore += link.handled();
      }
      return [...links].reduce((sum, link) => sum + link.handled(), handledBefore);
    },
  };
}

/** Another link is opened beside the one that serves; at most one at a time, and not often. */
function openRenewal(deps: {
  readonly dial: () => Held;
  readonly current: () => Held | undefined;
  readonly exchange: (next: Held) => void;
  readonly log: KafkaLog;
  readonly monotonicMs: () => number;
}) {
  const { dial, current, exchange, log, monotonicMs } = deps;
  let renewing: BrokerConnection | undefined;
  let notBeforeMs = 0;
  const renew = async (end: (old: BrokerConnection) => void, failed: string) => {
    const old = current()?.link;
    const next = dial();
    renewing = next.link;
    const opened = await next.link.open({ deadlineMs: RENEW_MS_MAX });
    renewing = undefined;
    if (opened.ok && current()?.link === old) {
      exchange(next);
      if (old !== undefined) end(old);
      return;
    }
    next.link.drop("not needed");
    if (!opened.ok) log("warn", failed, { detail: opened.error.detail });
  };
  return {
    /** `end`: the old link's, once the new one is open. */
    begin: (end: (old: BrokerConnection) => void, failed: string) => {
      if (renewing !== undefined || monotonicMs() < notBeforeMs) return;
      notBeforeMs = monotonicMs() + RENEW_PAUSE_MS;
      void renew(end, failed);
    },
    drop: (reason: string) => renewing?.drop(reason),
  };
}

/** 1 at the end of its session; 0 where that has none. */
function sessionSpent({ link, sinceMs }: Held, nowMs: number): number {
  const sessionMs = link.sessionMs();
  return sessionMs > 0 ? (nowMs - sinceMs) / sessionMs : 0;
}

async function send<T>(
  link: BrokerConnection,
  request: KafkaRequest<T>,
  settings: KafkaSettings,
  onSent: () => void,
): Promise<Result<T, KafkaError>> {
  const result = await link.send(request, { deadlineMs: CALL_MS_MAX }, onSent);
  return result.ok ? result : err(explain(result.error, link.reached(), settings));
}

/** A broker that does not like our certificate does not say why; one that has spoken has taken it. */
function explain(error: KafkaError, reached: Reached, settings: KafkaSettings): KafkaError {
  if (reached === "heard" || reached === "open") return error;
  const answer = answerOf(error, reached, 0);
  if (answer.kind !== "refused-us" || answer.by === "us") return error;
  const expired = expiredCertificate(settings);
  return expired === undefined ? error : { ...error, detail: `${expired} (${error.detail})` };
}
