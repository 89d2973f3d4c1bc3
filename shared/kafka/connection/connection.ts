/**
 * One connection to one broker: kafkajs's Connection, which does framing and SASL, with a deadline for each
 * request. A connection is never repaired: after the first failure it is dropped and another one is opened.
 * The reasons: kafkajs keeps partly read bytes of a lost connection, counts a closing one as open, and
 * waits for a hung broker's answers before it closes.
 */

import { isIP, type Socket } from "node:net";
import Connection from "kafkajs/src/network/connection.js";
import { type Call, startDeadline } from "../../deadline.ts";
import { err, type Result } from "../../result.ts";
import type { Versions } from "../api/api-versions.ts";
import type { KafkaRequest } from "../api/request.ts";
import { bounded, type KafkaError } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { addressText, type BrokerAddress, type KafkaSettings } from "../settings.ts";
import { dial, saslOptions } from "./dial.ts";
import { chooseVersion, decode, exchange, readVersions } from "./exchange.ts";
import { NEVER_MS, patchKafkajs } from "./kafkajs-patch.ts";
import { openThrottle, type Throttle } from "./throttle.ts";

/** A safeguard: our own deadlines end a call long before. */
const KAFKAJS_TIMEOUT_MS = 600_000;
/**
 * Any number but NEVER_MS: then kafkajs authenticates again on the same connection before a session ends
 * (KIP-368), with the next request.
 */
const REAUTHENTICATES = 0;

export type BrokerConnection = {
  /**
   * `onSent` is called when the request's bytes are sent; until then the connection is being opened, or a
   * quota delays the request.
   */
  readonly send: <T>(
    request: KafkaRequest<T>,
    call: Call,
    onSent?: () => void,
  ) => Promise<Result<T, KafkaError>>;
  /** Only connects, asks for the versions and authenticates. */
  readonly open: (call: Call) => Promise<Result<Versions, KafkaError>>;
  /** False once it has failed or a call has missed its deadline: open another one. */
  readonly usable: () => boolean;
  /** True once the broker has answered on it. */
  readonly wasOpen: () => boolean;
  /** The furthest stage that it has reached; it decides what a failure means. */
  readonly reached: () => Reached;
  /**
   * How many answers came from the broker's request handlers. What its network threads answer, up to
   * authentication, does not count.
   */
  readonly handled: () => number;
  /**
   * For how much longer a quota of the broker mutes the connection, as its answers said; negative: how long
   * ago that ended.
   */
  readonly throttledForMs: () => number;
  /** How long one authentication is valid (KIP-368); 0: for ever, or not known yet. */
  readonly sessionMs: () => number;
  /** Takes no new calls. Those in flight may wait until their own deadlines, because the broker may still answer. */
  readonly retire: (reason: string) => void;
  readonly drop: (reason: string) => void;
};

/** In the order in which a connection is opened. */
const STAGES = ["nothing", "resolved", "connected", "secured", "heard", "open"] as const;
/**
 * nothing: the name has no address yet. resolved: the connection has not been accepted yet. connected: TCP
 * is connected. secured: the TLS handshake is over. heard: bytes of Kafka's protocol came. open: the broker
 * answers and accepts us.
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

  /**
   * A request that a quota delays does not hang, and another connection would use up more of the quota
   * (KAFKA-16083).
   */
  const giveUp = (reason: string) => (throttle.forMs() > 0 ? undefined : retire(reason));

  const open = async (): Promise<Versions> => {
    const versions = await begin(connection, drop, throttle);
    wasOpen = true;
    // With SASL, only the network threads have answered so far.
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

/** Never goes back, so that it also says how far a failed connection had come. */
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

/**
 * @throws the error of the broker or the socket: kafkajs reports even a lost connection as a failed
 * authentication.
 */
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

/**
 * kafkajs's own lines, at debug: our code decides what a user sees. Only fields that cannot contain a
 * secret are kept.
 */
function quietLogger(log: KafkaLog, broker: string) {
  const line = (message: string) => log("debug", message, { logger: "kafkajs", broker });
  const logger = { debug: line, info: line, warn: line, error: line, namespace: () => logger };
  return logger;
}

function lostError(what: string): KafkaError {
  return { code: "unreachable", retry: "transient", detail: `${what}: the connection is lost` };
}
