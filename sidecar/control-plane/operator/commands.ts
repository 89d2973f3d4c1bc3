/**
 * The operator's commands: `withdraw`, `release-brake`, `accept-registry`. Each shows what it is about to
 * do, asks, writes one record, and waits until the audit shows that the leader has acted on it.
 */
import { systemClock } from "../../../shared/clock.ts";
import { startDeadline } from "../../../shared/deadline.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { firstEnd } from "../../../shared/kafka/consumer/offsets.ts";
import { readUntil } from "../../../shared/kafka/consumer/read-until.ts";
import { exitCodeOf, type KafkaError } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import { openProducer, type Producer } from "../../../shared/kafka/producer/producer.ts";
import { type Audit, decodeAudit } from "../../../shared/protocol/audit.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { encodeControl } from "../../../shared/protocol/control.ts";
import { BY, BY_OPERATOR, FORCE, FORCED } from "../../../shared/protocol/registry-header.ts";
import { AUDIT, CONTROL, REGISTRY } from "../../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { isTransient, retry } from "../../../shared/retry.ts";
import { readLedger } from "./read-ledger.ts";

const CALL_MS = 10_000;
/** How long the leader may take to answer: long enough for a failover. */
const CONFIRM_MS = 30_000;

export type OperatorDeps = {
  readonly client: KafkaClient;
  readonly log: KafkaLog;
  readonly say: (line: string) => void;
  /** Asks a yes-or-no question; `--yes` answers for the operator. */
  readonly confirm: (question: string) => Promise<boolean>;
};

type Written = { readonly partition: number; readonly offset: number };
type Deed = {
  readonly question: string;
  readonly write: (producer: Producer) => Promise<Result<Written, KafkaError>>;
  readonly answers: (audit: Audit, written: Written, isNew: boolean) => boolean;
  readonly done: string;
};

export async function withdraw(
  deps: OperatorDeps,
  clientId: ClientId,
  force: boolean,
): Promise<ExitCode> {
  const fleet = await readLedger(deps);
  if (!fleet.ok) return failed(deps, fleet.error);
  const cluster = fleet.value.clusters.get(clientId);
  const conflict = cluster?.facts?.conflict;
  if (conflict !== undefined && !force) {
    deps.say(
      `${clientId} is not withdrawn: two agents beat in turn under this client id (instances ` +
        `${conflict.instances.join(" and ")}, since ${conflict.since}), so its worker also serves one ` +
        "that is alive. Stop one of them, or give --force",
    );
    return EXIT.refused;
  }
  const known =
    cluster === undefined
      ? "it is not in the ledger"
      : `it is ${cluster.state} since ${since(cluster)}`;
  const headers = { [BY]: BY_OPERATOR, ...(force ? { [FORCE]: FORCED } : {}) };
  return perform(deps, {
    question: `Withdraw ${clientId} (${known})? Its worker is stopped and its consumer group deleted.`,
    write: (producer) =>
      one(producer.send(REGISTRY, [{ key: clientId, value: null, headers }], CALL)),
    answers: (audit, written, isNew) =>
      audit.client_id === clientId && isOfTombstone(audit, written, isNew),
    done: `${clientId} is withdrawn: worker and consumer group are gone`,
  });
}

export async function releaseBrake(deps: OperatorDeps): Promise<ExitCode> {
  const fleet = await readLedger(deps);
  if (!fleet.ok) return failed(deps, fleet.error);
  const clients = [...fleet.value.clusters.values()]
    .filter(({ state, worker }) => state === "stale" || (state === "dead" && worker !== null))
    .map(({ clientId }) => clientId);
  if (clients.length === 0) {
    deps.say("no cluster is silent: the brake holds no cluster");
    return EXIT.done;
  }
  const epoch = fleet.value.epoch;
  const records = chunked(clients).map((some) => {
    const brake = { released_at_epoch: epoch, clients: some };
    return { ...encodeControl({ kind: "brake", brake }), partition: 0 };
  });
  return perform(deps, {
    question: `Let ${clients.length} silent clusters be cleaned up (${shown(clients)})?`,
    write: (producer) => one(producer.send(CONTROL, records, CALL)),
    answers: byOffset("release-brake"),
    done: "released",
  });
}

export async function acceptRegistry(deps: OperatorDeps): Promise<ExitCode> {
  const metadata = await deps.client.metadata([REGISTRY], CALL);
  if (!metadata.ok) return failed(deps, metadata.error);
  const topicId = metadata.value.topics[0]?.topicId ?? "";
  const record = {
    ...encodeControl({ kind: "accept-registry", acceptRegistry: { topic_id: topicId } }),
    partition: 0,
  };
  return perform(deps, {
    question: `Accept the registry with topic id ${topicId}? Clean-ups and orphan stops go on then.`,
    write: (producer) => one(producer.send(CONTROL, [record], CALL)),
    answers: byOffset("accept-registry"),
    done: "the leader answers",
  });
}

const CALL = { deadlineMs: CALL_MS } as const;
const NAMES_SHOWN_MAX = 10;

/** With this many ids of full length a record is well below OWN_VALUE_BYTES_MAX and Kafka's limit. */
const RELEASED_AT_ONCE_MAX = 4_000;

const chunked = (clients: readonly ClientId[]): readonly ClientId[][] =>
  Array.from({ length: Math.ceil(clients.length / RELEASED_AT_ONCE_MAX) }, (_, n) =>
    clients.slice(n * RELEASED_AT_ONCE_MAX, (n + 1) * RELEASED_AT_ONCE_MAX),
  );

const since = ({ sinceMs }: { readonly sinceMs: number }): string =>
  new Date(sinceMs).toISOString();

const shown = (clients: readonly ClientId[]): string =>
  clients.length <= NAMES_SHOWN_MAX
    ? clients.join(", ")
    : `${clients.slice(0, NAMES_SHOWN_MAX).join(", ")} and ${clients.length - NAMES_SHOWN_MAX} more`;

const byOffset =
  (action: Audit["action"]): Deed["answers"] =>
  (audit, { offset }) =>
    audit.action === action && audit.reason.endsWith(`offset ${offset}`);

/**
 * The deleted group of an earlier withdrawal is no answer to this one. A control plane of before says nothing
 * about the tombstone; then the answer must come after the end that was noted.
 */
function isOfTombstone(
  { action, phase, registry }: Audit,
  { partition, offset }: Written,
  isNew: boolean,
): boolean {
  if (action !== "delete-group" || phase !== "outcome") return false;
  return registry?.partition === partition ? registry.offset >= offset : isNew;
}

async function one(
  sent: Promise<Result<readonly Written[], KafkaError>>,
): Promise<Result<Written, KafkaError>> {
  const result = await sent;
  if (!result.ok) return result;
  const written = result.value.at(-1);
  return written === undefined ? err(NOTHING_WRITTEN) : ok(written);
}

const NOTHING_WRITTEN: KafkaError = {
  code: "broker",
  retry: "terminal",
  detail: "Kafka acknowledged nothing",
};

function failed({ say }: OperatorDeps, error: KafkaError): ExitCode {
  say(error.detail);
  return exitCodeOf(error);
}

/** Asks, writes, and waits for the leader's answer in the audit. */
async function perform(deps: OperatorDeps, deed: Deed): Promise<ExitCode> {
  const { client, log, say } = deps;
  if (!(await deps.confirm(deed.question))) {
    say("not done");
    return EXIT.done;
  }
  const end = await endOfAudit(client);
  if (!end.ok) return failed(deps, end.error);
  const written = await deed.write(openProducer({ client, log }));
  if (!written.ok) return failed(deps, written.error);
  const answer = await awaitAnswer(deps, deed, written.value, end.value ?? 0);
  if (answer === undefined) {
    say(
      `written, but no control plane has answered within ${CONFIRM_MS / 1000} s; it will when it leads`,
    );
    return EXIT.unconfirmed;
  }
  if (answer.error !== undefined) say(`not yet: ${answer.error}`);
  else say(answer.action === "delete-group" ? deed.done : `${deed.done}: ${answer.result ?? ""}`);
  return answer.error === undefined ? EXIT.done : EXIT.unconfirmed;
}

/** Where the answer comes at the earliest. Its partition may be without a leader for a moment. */
function endOfAudit(client: KafkaClient): ReturnType<typeof firstEnd> {
  const deadline = startDeadline(CALL);
  return retry(() => firstEnd(client, AUDIT, deadline.call()), {
    ...{ baseMs: 100, maxMs: 1_000, clock: systemClock, again: isTransient, deadline },
  });
}

async function awaitAnswer(
  source: OperatorDeps,
  deed: Deed,
  written: Written,
  end: number,
): Promise<Audit | undefined> {
  let last: Audit | undefined;
  const from = [{ topic: AUDIT, partition: 0, offset: end }];
  const done = await readUntil<Audit>(
    source,
    from,
    { deadlineMs: CONFIRM_MS },
    {
      deliver: ({ records }, found) => {
        for (const { value, offset } of records) {
          const audit = decodeAudit(value);
          if (!audit.ok || !deed.answers(audit.value, written, offset >= end)) continue;
          // The leader retries failed acts, so only success or our own timeout ends the wait.
          last = audit.value;
          if (audit.value.error === undefined) found(audit.value);
        }
      },
      problem: ({ kind }) => source.log("debug", "reading the audit", { kind }),
    },
  );
  return done ?? last;
}
