/**
 * One connection to the local broker, kept open over all rounds. A call on it ends when the broker answers
 * or the connection ends, never by time: the caller decides how long to wait.
 *
 * Before credentials expire (a file was rotated, a session of KIP-368 nears its end), a new connection is
 * opened and authenticated beside the old one, which serves until then. If that fails, the old one stays,
 * as long as the broker accepts it. A silent connection stays, too: at the broker's connection limit we
 * might not get another.
 */

import type { Clock } from "../../../shared/clock.ts";
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

/** A safeguard: the rounds end a call long before. */
const CALL_MS_MAX = 600_000;
const RENEW_MS_MAX = 10_000;
const RENEW_PAUSE_MS = 10_000;
/** Share of a session's lifetime after which another connection is opened; it leaves time for a second attempt. */
const SESSION_SHARE = 0.5;
const EXCHANGED = "replaced by one with the present credentials";
const REPLACED = "it was silent, and another one could be opened";
const REFUSED_ANEW = "the new credentials are refused; the open connection stays";
const NOT_REPLACED = "the connection is silent, and no other one can be opened: it stays";

export type RenewableConnectionOptions = {
  readonly address: BrokerAddress;
  readonly settings: KafkaSettings;
  /** Changes whenever our credentials change. */
  readonly credentials: () => string;
  readonly log: KafkaLog;
  readonly clock: Clock;
};

export type Asking<T> = {
  readonly answer: Promise<Result<T, KafkaError>>;
  /** When the request was sent; undefined while its connection is being opened, or a quota delays it. */
  readonly sentMs: () => number | undefined;
  /**
   * For how much longer a quota of the broker mutes the connection that is used; negative: how long ago
   * that ended.
   */
  readonly throttledForMs: () => number;
  /** The stage that the connection in use has reached. */
  readonly reached: () => Reached;
  /** Closes the connection that is used, which may have been replaced meanwhile. */
  readonly drop: (reason: string) => void;
};

export type RenewableConnection = {
  readonly begin: <T>(request: KafkaRequest<T>) => Asking<T>;
  /** Only the answer. */
  readonly ask: <T>(request: KafkaRequest<T>) => Promise<Result<T, KafkaError>>;
  /** The API keys that the broker knows, from the present connection. */
  readonly apis: () => Promise<ReadonlySet<number> | undefined>;
  /** A new number for each connection that is opened. */
  readonly linkId: () => number;
  /** Whether it is open, authenticated and usable. */
  readonly isOpen: () => boolean;
  /** How many answers of the broker's request handlers came, over all connections so far. */
  readonly handled: () => number;
  /** Starts a renewal when that is due. */
  readonly freshen: () => void;
  /** Starts to open another connection beside a silent one, which serves until the new one is open. */
  readonly challenge: () => void;
  /** Closes it with its calls in flight; the next call opens another one. */
  readonly drop: (reason: string) => void;
};

type Held = {
  readonly id: number;
  readonly link: BrokerConnection;
  readonly credentials: string;
  readonly sinceMs: number;
};

export function openRenewableConnection(options: RenewableConnectionOptions): RenewableConnection {
  const { settings, log, clock } = options;
  let held: Held | undefined;
  const { dial, handled } = openDialler(options);

  const good = (): Held | undefined => {
    if (held?.link.usable() !== true) return undefined;
    if (sessionSpent(held, clock.monotonicMs()) < 1) return held;
    held.link.drop("its session is over");
    return undefined;
  };

  const current = (): BrokerConnection => {
    held = good() ?? dial();
    return held.link;
  };

  const isDue = (open: Held): boolean =>
    options.credentials() !== open.credentials ||
    sessionSpent(open, clock.monotonicMs()) > SESSION_SHARE;

  const isOpen = (): boolean => good()?.link.wasOpen() === true;

  const renewal = openRenewal({
    ...{ dial, log, clock, current: () => held },
    exchange: (next) => {
      held = next;
    },
  });

  const begin = <T>(request: KafkaRequest<T>): Asking<T> => {
    const link = current();
    let sentMs: number | undefined;
    const onSent = () => {
      sentMs = clock.monotonicMs();
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

function openDialler({ address, settings, credentials, log, clock }: RenewableConnectionOptions) {
  const links = new Set<BrokerConnection>();
  let handledBefore = 0;
  let dials = 0;
  return {
    dial: (): Held => {
      dials += 1;
      const link = openBrokerConnection(address, { ...settings, reauthenticates: false }, log);
      links.add(link);
      return { id: dials, link, credentials: credentials(), sinceMs: clock.monotonicMs() };
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

/** Opens another connection beside the one that serves; at most one at a time, and not often. */
function openRenewal(deps: {
  readonly dial: () => Held;
  readonly current: () => Held | undefined;
  readonly exchange: (next: Held) => void;
  readonly log: KafkaLog;
  readonly clock: Clock;
}) {
  const { dial, current, exchange, log, clock } = deps;
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
    /** `end`: why the old connection is closed once the new one is open. */
    begin: (end: (old: BrokerConnection) => void, failed: string) => {
      if (renewing !== undefined || clock.monotonicMs() < notBeforeMs) return;
      notBeforeMs = clock.monotonicMs() + RENEW_PAUSE_MS;
      void renew(end, failed);
    },
    drop: (reason: string) => renewing?.drop(reason),
  };
}

/** The elapsed share of its session, 1 at the end; 0 if the session has no end. */
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

/** A broker that refuses our certificate does not say why; one that has answered has accepted it. */
function explain(error: KafkaError, reached: Reached, settings: KafkaSettings): KafkaError {
  if (reached === "heard" || reached === "open") return error;
  const answer = answerOf(error, reached, 0);
  if (answer.kind !== "refused-us" || answer.by === "us") return error;
  const expired = expiredCertificate(settings);
  return expired === undefined ? error : { ...error, detail: `${expired} (${error.detail})` };
}
