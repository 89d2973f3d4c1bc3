/**
 * The way to one broker, a step at a time: DNS, TCP, TLS, the Kafka protocol, SASL. Each step opens a
 * connection of its own, so that a person sees which of them does not work.
 */

import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Call, Deadline } from "../../deadline.ts";
import { ok, type Result } from "../../result.ts";
import { expiredCertificate } from "../connection/client-certificate.ts";
import { openBrokerConnection } from "../connection/connection.ts";
import { dial } from "../connection/dial.ts";
import { bounded, type KafkaError } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { addressText, type BrokerAddress, type KafkaSettings } from "../settings.ts";
import {
  type CheckStep,
  type Finding,
  failedBy,
  passed,
  refused,
  timed,
  unreachable,
} from "./step.ts";

/** Deadline of one step, to notice a listener that hangs. */
const STEP_MS_MAX = 5000;

export type PathOptions = {
  readonly settings: KafkaSettings;
  readonly log: KafkaLog;
  readonly deadline: Deadline;
};

type Work = (address: BrokerAddress, options: PathOptions, call: Call) => Promise<Finding>;

/** The steps up to the first that failed; `told` is called with each when it is done. */
export async function walkPath(
  address: BrokerAddress,
  options: PathOptions,
  told: (step: CheckStep) => void = () => undefined,
): Promise<readonly CheckStep[]> {
  const { tls, sasl } = options.settings;
  const works: readonly (readonly [string, Work])[] = [
    ["dns", resolveName],
    ["tcp", connectTcp],
    ...(tls === undefined ? [] : [["tls", shakeHands] as const]),
    ["kafka", askVersions],
    ...(sasl === undefined ? [] : [["sasl", authenticate] as const]),
  ];
  const steps: CheckStep[] = [];
  for (const [name, work] of works) {
    const call = options.deadline.call(STEP_MS_MAX);
    const step = await timed(`${name} ${addressText(address)}`, () => work(address, options, call));
    steps.push(step);
    told(step);
    if (step.finding.outcome === "failed") break;
  }
  return steps;
}

async function resolveName({ host }: BrokerAddress, _: PathOptions, call: Call): Promise<Finding> {
  if (isIP(host) !== 0) return passed("an address, no name");
  const found = await bounded(lookup(host, { all: true }), call, `look up ${host}`);
  if (found.ok) return passed(found.value.map(({ address }) => address).join(", "));
  return unreachable(
    found.error.detail,
    `${host} is not known here. Check KAFKA_BROKERS (in Kubernetes: service.namespace.svc) and the resolver.`,
  );
}

async function connectTcp(address: BrokerAddress, _: PathOptions, call: Call): Promise<Finding> {
  const what = `connect to ${addressText(address)}`;
  const made = await connected(what, call, (onConnect) => connect({ ...address }, onConnect));
  if (made.ok) {
    const { remoteAddress, remotePort } = made.value;
    made.value.destroy();
    return passed(`connected to ${remoteAddress}:${remotePort}`);
  }
  const advice =
    made.error.code === "timeout"
      ? "No answer at all: a firewall, a NetworkPolicy or a wrong address swallows the packets."
      : "Nothing accepts connections there: check the port, that Kafka runs, and the network between.";
  return unreachable(made.error.detail, advice);
}

const TLS_CUT_OFF =
  "The other side ended the handshake: does this listener speak TLS at all (else TLS_ENABLED=false), and does it want a client certificate (TLS_CERT_FILE, TLS_KEY_FILE)?";
const TLS_REFUSED =
  "The broker's certificate is not accepted: TLS_CA_FILE must hold the authority that signed it, and it must be valid now and carry the name dialled or TLS_SERVER_NAME.";

async function shakeHands(
  address: BrokerAddress,
  { settings }: PathOptions,
  call: Call,
): Promise<Finding> {
  const what = `TLS handshake with ${addressText(address)}`;
  // We report it ourselves: the broker's refusal would come later, as an OpenSSL error.
  const expired = expiredCertificate(settings);
  if (expired !== undefined) {
    return refused(
      expired,
      `Put a new one in ${settings.tls?.certFile}; it is read again for each connection.`,
    );
  }
  const made = await connected(what, call, (onConnect) =>
    dial(settings, { ...address, onConnect }),
  );
  if (made.ok) {
    const text = handshakeText(made.value);
    made.value.destroy();
    return passed(text);
  }
  return failedBy(made.error, made.error.code === "authentication" ? TLS_REFUSED : TLS_CUT_OFF);
}

function handshakeText(socket: Socket): string {
  if (!(socket instanceof TLSSocket)) return "done";
  const certificate = socket.getPeerCertificate();
  const names = certificate.subjectaltname ?? certificate.subject?.CN ?? "no name";
  return `${socket.getProtocol()}; the broker's certificate: ${names}, valid to ${certificate.valid_to}`;
}

/** ApiVersions, which a broker answers before authentication. */
async function askVersions(
  address: BrokerAddress,
  { settings: { sasl: _sasl, ...settings }, log }: PathOptions,
  call: Call,
): Promise<Finding> {
  const asked = await openOnce(address, { settings, log }, call);
  if (asked.ok) return passed(`a Kafka broker: it answers ${asked.value.size} kinds of request`);
  if (asked.error.code === "authentication") {
    return failedBy(
      asked.error,
      "The broker refuses our certificate: TLS_CERT_FILE, TLS_KEY_FILE.",
    );
  }
  const tls = settings.tls === undefined ? "Does it want TLS (TLS_ENABLED)? " : "";
  const advice = `Something accepts connections and does not answer as Kafka does. ${tls}Does the broker hang?`;
  return failedBy(asked.error, advice);
}

async function authenticate(
  address: BrokerAddress,
  { settings, log }: PathOptions,
  call: Call,
): Promise<Finding> {
  const asked = await openOnce(address, { settings, log }, call);
  const { username, mechanism } = settings.sasl ?? {};
  if (asked.ok) return passed(`${username} by ${mechanism}`);
  return failedBy(
    asked.error,
    "Check SASL_USERNAME, SASL_PASSWORD and SASL_MECHANISM, and that this listener wants SASL.",
  );
}

async function openOnce(
  address: BrokerAddress,
  { settings, log }: Pick<PathOptions, "settings" | "log">,
  call: Call,
): Promise<Result<{ readonly size: number }, KafkaError>> {
  const connection = openBrokerConnection(address, settings, log);
  const opened = await connection.open(call);
  connection.drop("closed by us");
  return opened;
}

/** The socket, once it is connected; it is destroyed on any failure. */
async function connected(
  whatWasTried: string,
  call: Call,
  open: (onConnect: () => void) => Socket,
): Promise<Result<Socket, KafkaError>> {
  let socket: Socket | undefined;
  const opened = new Promise<Socket>((resolve, reject) => {
    const made = open(() => resolve(made));
    socket = made;
    made.on("error", reject);
    made.on("close", () => reject(new Error("the other side closed the connection")));
  });
  const outcome = await bounded(opened, call, whatWasTried);
  if (outcome.ok) return ok(outcome.value);
  socket?.destroy();
  return outcome;
}
