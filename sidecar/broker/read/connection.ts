/**
 * One connection to the local broker, kept open over all rounds. A call on it ends when the broker
 * answers or the connection does, never by time: who asks decides how long to wait.
 *
 * Before credentials go out of date (a file was rotated, KIP-368's session nears its end), a new
 * connection is opened and authenticated beside the old one, which serves until then; when that fails,
 * the old one stays, for as long as the broker takes it.
 */

import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import type { KafkaLog } from "../../../shared/kafka/cluster/client.ts";
import { expiredCertificate } from "../../../shared/kafka/connection/client-certificate.ts";
import {
  type BrokerConnection,
  openBrokerConnection,
  type Reached,
} from "../../../shared/kafka/connection/connection.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { BrokerAddress, KafkaSettings } from "../../../shared/kafka/settings.ts";
import { err, type Result } from "../../../shared/result.ts";
import { answerOf } from "./listener.ts";

/** A guard only: the rounds end a call long before. */
const CALL_MS_MAX = 600_000;
const RENEW_MS_MAX = 10_000;
const RENEW_PAUSE_MS = 10_000;
/** Of a session's lifetime, after which another connection is opened: time for a second attempt. */
const SESSION_SHARE = 0.5;

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
  /** Is it open, authenticated and good? */
  readonly isOpen: () => boolean;
  /** Starts to renew it when that is due. */
  readonly freshen: () => void;
  /** Ends it with what is under way; the next call opens another one. */
  readonly drop: (reason: string) => void;
};

type Held = {
  readonly link: BrokerConnection;
  readonly credentials: string;
  readonly sinceMs: number;
};

export function openRenewableConnection(options: RenewableConnectionOptions): RenewableConnection {
  const { address, settings, log, monotonicMs } = options;
  let held: Held | undefined;
  let renewing: BrokerConnection | undefined;
  let renewNotBeforeMs = 0;

  const dial = (): Held => ({
    link: openBrokerConnection(address, { ...settings, reauthenticates: false }, log),
    credentials: options.credentials(),
    sinceMs: monotonicMs(),
  });

  /** 1 at the end of its session; 0 where that has none. */
  const sessionSpent = ({ link, sinceMs }: Held): number => {
    const sessionMs = link.sessionMs();
    return sessionMs > 0 ? (monotonicMs() - sinceMs) / sessionMs : 0;
  };

  const good = (): Held | undefined => {
    if (held?.link.usable() !== true) return undefined;
    if (sessionSpent(held) < 1) return held;
    held.link.drop("its session is over");
    return undefined;
  };

  const current = (): BrokerConnection => {
    held = good() ?? dial();
    return held.link;
  };

  const isDue = (open: Held): boolean =>
    options.credentials() !== open.credentials || sessionSpent(open) > SESSION_SHARE;

  const renew = async () => {
    const old = held?.link;
    const next = dial();
    renewing = next.link;
    const opened = await next.link.open({ deadlineMs: RENEW_MS_MAX });
    renewing = undefined;
    if (opened.ok && held?.link === old) {
      held = next;
      old?.retire("exchanged for one with the credentials of now");
      return;
    }
    next.link.drop("not needed");
    if (opened.ok) return;
    renewNotBeforeMs = monotonicMs() + RENEW_PAUSE_MS;
    const what = "the new credentials are not taken; the open connection stays";
    log("warn", what, { detail: opened.error.detail });
  };

  const begin = <T>(request: KafkaRequest<T>): Asking<T> => {
    const link = current();
    return {
      answer: send(link, request, settings),
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
    isOpen: () => good()?.link.wasOpen() === true,
    freshen: () => {
      const open = good();
      if (open?.link.wasOpen() !== true || renewing !== undefined) return;
      if (monotonicMs() >= renewNotBeforeMs && isDue(open)) void renew();
    },
    drop: (reason) => {
      held?.link.drop(reason);
      renewing?.drop(reason);
      held = undefined;
    },
  };
}

async function send<T>(
  link: BrokerConnection,
  request: KafkaRequest<T>,
  settings: KafkaSettings,
): Promise<Result<T, KafkaError>> {
  const result = await link.send(request, { deadlineMs: CALL_MS_MAX });
  return result.ok ? result : err(explain(result.error, link.reached(), settings));
}

/** A broker that does not like our certificate does not say why; one that has spoken has taken it. */
function explain(error: KafkaError, reached: Reached, settings: KafkaSettings): KafkaError {
  if (reached === "heard" || reached === "open") return error;
  if (answerOf(error, reached, 0).kind !== "refused-us") return error;
  const expired = expiredCertificate(settings);
  return expired === undefined ? error : { ...error, detail: `${expired} (${error.detail})` };
}
