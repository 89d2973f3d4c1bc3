/**
 * One connection to one broker: kafkajs's Connection, which does the framing and SASL, under a deadline per request.
 * A connection is never repaired: after the first failure it is dropped and another one is opened, because kafkajs keeps half-read bytes of a lost
 * connection, counts a closing one as open, and waits for a hung broker's answers before it closes.
 */

import { isIP, type Socket } from "node:net";
import Connection from "kafkajs/src/network/connection.js";
import { err, type Result } from "../../result.ts";
import type { Versions } from "../api/api-versions.ts";
import type { Call, KafkaRequest } from "../api/request.ts";
import { bounded, startDeadline } from "../deadline.ts";
import type { KafkaError } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { addressText, type BrokerAddress, type KafkaSettings } from "../settings.ts";
import { dial, saslOptions } from "./dial.ts";
import { chooseVersion, decode, exchange, readVersions } from "./exchange.ts";
import { NEVER_MS, patchKafkajs } from "./kafkajs-patch.ts";
import { openThrottle, type Throttle } from "./throttle.ts";

/** A guard only: our own deadlines end a call long before. */
const KAFKAJS_TIMEOUT_MS = 600_000;
/** Any number but NEVER_MS: before the end of a session (KIP-368) kafkajs authenticates anew on the connection itself, with the request that comes next. */
const REAUTHENTICATES = 0;

export type BrokerConnection = {
  /** `onSent`: as its bytes go out; until then the link is being opened, or a quota holds it back. */
  readonly send: <T>(
    request: KafkaRequest<T>,
    call: Call,
    onSent?: () => void,
  ) => Promise<Result<T, KafkaError>>;
  /** Connects, asks for the versions and authenticates, and no more. */
  readonly open: (call: Call) => Promise<Result<Versions, KafkaError>>;
  /** False once it failed, or let a call wait in vain: open another one. */
  readonly usable: () => boolean;
  /** True once the broker answered on it. */
  readonly wasOpen: () => boolean;
  /** How far it has come, at most: what its failure says of the other side depends on it. */
  readonly reached: () => Reached;
  /** How many answers of the broker's request handlers came: what its network threads answer up to authentication is none. */
  readonly handled: () => number;
  /** For how long a quota of the broker's mutes the connection yet, as its answers said; below 0: since when not any more. */
  readonly throttledForMs: () => number;
  /** How long the broker lets one authentication stand (KIP-368); 0: without end, or not known yet. */
  readonly sessionMs: () => number;
  /** Takes nothing new; what is in flight reaches its own deadline first, for the broker may still answer it. */
  readonly retire: (reason: string) => void;
  readonly drop: (reason: string) => void;
};

/** In the order in which a link is opened. */
const STAGES = ["nothing", "resolved", "connected", "secured", "heard", "open"] as const;
/**
 * nothing: the name has no address yet. resolved: nobody has taken the connection. connected: by TCP.
 * secured: the TLS handshake is over. heard: Kafka's own bytes came. open: it answers and takes us.
 */
export type Reached = (typeof STAGES)[number];

export function openBrokerConnection(
  address: BrokerAddress,
  settings: KafkaSettings,
  log: KafkaLog,
): BrokerConnection {
  patchKafkajs();
  let [usable, wasOpen] = [true, false];
  let opened: Promise<Versions> | undefined;
  let [inFlight, handled] = [0, 0];
  let retired: string | undefined;
  const throttle = openThrottle();
  const where = addressText(address);
  const { connection, progress, destroy } = watched(address, settings, log, () => {
    usable = false;
  });

  const drop = (reason: string) => {
    usable = false;
    destroy(reason);
  };

  const retire = (reason: string) => {
    usable = false;
    retired ??= reason;
    if (inFlight === 0) drop(retired);
  };

  /** What a quota holds back is no hang, and another connection would cost more of it (KAFKA-16083). */
  const giveUp = (reason: string) => (throttle.forMs() > 0 ? undefined : retire(reason));

  const open = async (): Promise<Versions> => {
    const versions = await begin(connection, drop, throttle);
    wasOpen = true;
    // With SASL it is the network threads that answer so far.
    if (settings.sasl === undefined) handled += 1;
    progress.reach("open");
    return versions;
  };

  const begun = (call: Call, what = "", timedOut = () => {}) => {
    opened ??= open();
    return bounded(opened, call, wasOpen ? what : `connect to ${where}`, timedOut);
  };

  const ask = async <T>(
    request: KafkaRequest<T>,
    call: Call,
    what: string,
    onSent: () => void,
  ): Promise<Result<T, KafkaError>> => {
    const deadline = startDeadline(call);
    const timedOut = () => giveUp(`${what}: no answer within its deadline`);
    const versions = await begun(call, what, timedOut);
    if (!versions.ok) return versions;
    const version = chooseVersion(versions.value, request);
    if (!version.ok) return version;
    const held = await throttle.hold(deadline.call(), what);
    if (held !== undefined) return err(held);
    onSent();
    const sent = exchange(connection, request, version.value);
    const answer = await bounded(sent, deadline.call(), what, timedOut);
    if (!answer.ok) {
      if (answer.error.cause !== undefined) drop(answer.error.detail);
      return answer;
    }
    handled += 1;
    return decode(request, version.value, answer.value, what, throttle);
  };

  const send: BrokerConnection["send"] = async (request, call, onSent = () => {}) => {
    const what = `${request.apiName} to ${where}`;
    if (!usable) return err(lostError(what));
    inFlight += 1;
    const answer = await ask(request, call, what, onSent);
    inFlight -= 1;
    if (retired !== undefined && inFlight === 0) drop(retired);
    return answer;
  };

  return {
    ...{ send, drop, retire, open: begun, usable: () => usable, wasOpen: () => wasOpen },
    ...{ handled: () => handled, throttledForMs: throttle.forMs, reached: progress.reached },
    sessionMs: () => Number(connection.sessionLifetime),
  };
}

function watched(
  address: BrokerAddress,
  settings: KafkaSettings,
  log: KafkaLog,
  onClose: () => void,
) {
  let socket: Socket | undefined;
  const progress = openProgress(address.host);
  const logger = quietLogger(log, addressText(address));
  const connection = connectionTo(address, settings, logger, (made) => {
    socket = progress.watch(made).on("close", onClose);
  });
  return {
    connection,
    progress,
    destroy: (reason: string) => {
      // kafkajs's own handler of this event rejects what is in flight and clears its timers.
      socket?.emit("error", new Error(reason));
      socket?.destroy();
    },
  };
}

/** Never goes back: of a link that failed, too, it tells where. */
function openProgress(host: string) {
  let stage: Reached = isIP(host) === 0 ? "nothing" : "resolved";
  const reach = (next: Reached) => {
    if (STAGES.indexOf(next) > STAGES.indexOf(stage)) stage = next;
  };
  return {
    reach,
    reached: () => stage,
    watch: (socket: Socket) =>
      socket
        .on("lookup", (fault) => {
          if (fault === null || fault === undefined) reach("resolved");
        })
        .once("connect", () => reach("connected"))
        .once("secureConnect", () => reach("secured"))
        .once("data", () => reach("heard")),
  };
}

function connectionTo(
  address: BrokerAddress,
  settings: KafkaSettings,
  logger: ReturnType<typeof quietLogger>,
  onSocket: (socket: Socket) => void,
): Connection {
  return new Connection({
    ...address,
    clientId: settings.clientId,
    logger,
    socketFactory: (target) => {
      const socket = dial(settings, target);
      onSocket(socket);
      return socket;
    },
    sasl: saslOptions(settings),
    requestTimeout: KAFKAJS_TIMEOUT_MS,
    connectionTimeout: KAFKAJS_TIMEOUT_MS,
    enforceRequestTimeout: false,
    reauthenticationThreshold: settings.reauthenticates === false ? NEVER_MS : REAUTHENTICATES,
  });
}

async function begin(
  connection: Connection,
  drop: BrokerConnection["drop"],
  throttle: Throttle,
): Promise<Versions> {
  try {
    await connection.connect();
    const versions = await readVersions(connection, throttle);
    await authenticate(connection);
    return versions;
  } catch (cause) {
    drop("the connection could not be opened");
    throw cause;
  }
}

/** @throws what the broker or the socket said: kafkajs calls also a lost connection an authentication that failed. */
async function authenticate(connection: Connection): Promise<void> {
  const send = connection.send.bind(connection);
  let first: { readonly cause: unknown } | undefined;
  connection.send = async (protocol) => {
    try {
      return await send(protocol);
    } catch (cause) {
      first ??= { cause };
      throw cause;
    }
  };
  try {
    await connection.authenticate();
  } catch (cause) {
    throw first === undefined ? cause : first.cause;
  } finally {
    connection.send = send;
  }
}

/** kafkajs's own lines, at debug: our code decides what a user sees. Of its fields only what cannot hold a secret. */
function quietLogger(log: KafkaLog, broker: string) {
  const line = (message: string) => log("debug", message, { logger: "kafkajs", broker });
  const logger = { debug: line, info: line, warn: line, error: line, namespace: () => logger };
  return logger;
}

function lostError(what: string): KafkaError {
  return { code: "unreachable", retry: "transient", detail: `${what}: the connection is lost` };
}
