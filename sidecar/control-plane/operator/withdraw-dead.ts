/**
 * `sidecar withdraw --dead-for 30d`: lists the clusters that have been dead for longer, asks, and withdraws
 * them. The ledger alone does not prove that a cluster is dead now: while no control plane led, no beat was
 * read. So there must be a leader that has listened for as long as a living cluster may be silent.
 */
import type { Clock } from "../../../shared/clock.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import { openConsumer } from "../../../shared/kafka/consumer/consumer.ts";
import { endOffsets, firstEnd } from "../../../shared/kafka/consumer/offsets.ts";
import { readUntil } from "../../../shared/kafka/consumer/read-until.ts";
import { exitCodeOf, type KafkaError } from "../../../shared/kafka/error.ts";
import { openProducer } from "../../../shared/kafka/producer/producer.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { decodeLedger } from "../../../shared/protocol/ledger.ts";
import { decodeHeartbeat, type Tick } from "../../../shared/protocol/message.ts";
import { BY, BY_OPERATOR } from "../../../shared/protocol/registry-header.ts";
import { HEARTBEAT, REGISTRY, STATUS } from "../../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { Cluster } from "../fleet/fleet.ts";
import type { OperatorDeps } from "./commands.ts";
import { ageText, deadLine, listenedMs, longDead, proofMs, stillDead } from "./long-dead.ts";
import { readLedger } from "./read-ledger.ts";

const CALL = { deadlineMs: 10_000 } as const;
/** Ticks come every WATERMARK_INTERVAL, at most every 2 s by default; long enough for a failover. */
const TICK_MS_MAX = 20_000;
/** Without progress for this long, the rest is left to the leader. */
const QUIET_MS_MAX = 30_000;
const AT_ONCE_MAX = 500;

export type DeadDeps = OperatorDeps & { readonly clock: Clock };

export async function withdrawDead(deps: DeadDeps, deadForMs: number): Promise<ExitCode> {
  const { say, clock } = deps;
  const fleet = await readLedger(deps);
  if (!fleet.ok) return failed(deps, fleet.error);
  const dead = longDead(fleet.value, deadForMs, clock.nowMs());
  if (dead.length === 0) {
    say(`no cluster has been dead for ${ageText(deadForMs)}`);
    return EXIT.done;
  }
  for (const cluster of dead) say(deadLine(cluster, clock.nowMs()));
  const unheard = await whyUnheard(deps, dead, fleet.value.epoch);
  if (!unheard.ok) return failed(deps, unheard.error);
  if (unheard.value !== undefined) {
    say(`not done: ${unheard.value}`);
    return EXIT.unconfirmed;
  }
  const question = `Withdraw these ${dead.length} clusters? Their workers are stopped and their consumer groups deleted.`;
  if (!(await deps.confirm(question))) {
    say("not done");
    return EXIT.done;
  }
  const again = await readLedger(deps);
  if (!again.ok) return failed(deps, again.error);
  const clientIds = stillDead(dead, longDead(again.value, deadForMs, clock.nowMs()));
  const left = dead.filter(({ clientId }) => !clientIds.includes(clientId));
  for (const { clientId } of left) say(`${clientId} was heard meanwhile: it stays`);
  return await write(deps, clientIds);
}

function failed({ say }: DeadDeps, error: KafkaError): ExitCode {
  say(error.detail);
  return exitCodeOf(error);
}

/** Why it is not certain that they are dead now; undefined if it is. */
async function whyUnheard(
  deps: DeadDeps,
  dead: readonly Cluster[],
  epoch: number,
): Promise<Result<string | undefined, KafkaError>> {
  const tick = await nextTick(deps, epoch);
  if (!tick.ok) return tick;
  if (tick.value === undefined) {
    return ok(
      `no control plane leads (no tick within ${ageText(TICK_MS_MAX)}), so no beat of these clusters is read; start one first`,
    );
  }
  const [heardMs, wantedMs] = [listenedMs(tick.value), proofMs(dead)];
  if (heardMs >= wantedMs) return ok(undefined);
  return ok(
    `the control plane has led for ${ageText(heardMs)} only, and one of these clusters may be silent for ${ageText(wantedMs)} and alive; try again in ${ageText(wantedMs - heardMs)}`,
  );
}

/**
 * Waits for the next tick of the leader whose records the ledger has, or of a later one. No permission to
 * read it does not mean that there is none.
 */
async function nextTick(
  source: DeadDeps,
  epoch: number,
): Promise<Result<Tick | undefined, KafkaError>> {
  const ends = await endOffsets(source.client, HEARTBEAT, CALL);
  if (!ends.ok) return ends.error.code === "unknown-topic" ? ok(undefined) : ends;
  const [refused] = ends.value.errors.values();
  if (ends.value.offsets.size === 0 && refused !== undefined) return err(refused);
  const from = [...ends.value.offsets].map(([partition, offset]) => ({
    ...{ topic: HEARTBEAT, partition, offset },
  }));
  type Found = Result<Tick | undefined, KafkaError>;
  let failing: KafkaError | undefined;
  const tick = await readUntil<Found>(
    source,
    from,
    { deadlineMs: TICK_MS_MAX },
    {
      // A tick of before says nothing about now, even one of the same term.
      goesOnAt: "end",
      deliver: ({ records }, found) => {
        for (const { key, value } of records) {
          const read = decodeHeartbeat(key, value);
          if (read.ok && read.value.kind === "tick" && read.value.tick.epoch >= epoch) {
            found(ok(read.value.tick));
          }
        }
      },
      problem: (problem, found) => {
        if (problem.kind === "recovered") failing = undefined;
        if (problem.kind !== "unreachable") return;
        failing = problem.error;
        if (failing.retry === "terminal") found(err(failing));
      },
    },
  );
  return tick ?? (failing === undefined ? ok(undefined) : err(failing));
}

const headers = { [BY]: BY_OPERATOR } as const;

async function write(deps: DeadDeps, clientIds: readonly ClientId[]): Promise<ExitCode> {
  const { client, log, say } = deps;
  if (clientIds.length === 0) return EXIT.done;
  const from = await firstEnd(client, STATUS, CALL);
  if (!from.ok) return failed(deps, from.error);
  const producer = openProducer({ client, log });
  const open = new Map<string, number>();
  for (let at = 0; at < clientIds.length; at += AT_ONCE_MAX) {
    const some = clientIds.slice(at, at + AT_ONCE_MAX);
    const records = some.map((key) => ({ key, value: null, headers }));
    const sent = await producer.send(REGISTRY, records, CALL);
    if (!sent.ok) {
      say(
        `${at} of ${clientIds.length} tombstones are written; whether the next one is, is not known`,
      );
      return failed(deps, sent.error);
    }
    for (const [n, clientId] of some.entries()) open.set(clientId, sent.value[n]?.offset ?? 0);
  }
  await awaitDone(deps, open, from.value ?? 0);
  say(`${clientIds.length - open.size} of ${clientIds.length} are withdrawn`);
  if (open.size === 0) return EXIT.done;
  say(
    `not confirmed yet, the leader goes on: ${[...open.keys()].join(", ")}; the cause is in GET /api/v1/clusters/{id}`,
  );
  return EXIT.unconfirmed;
}

/** Removes from `open` what is done according to the ledger, until nothing is left or nothing more comes. */
async function awaitDone(
  { client, log }: DeadDeps,
  open: Map<string, number>,
  offset: number,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<null>();
  let timer = setTimeout(() => resolve(null), QUIET_MS_MAX);
  const reader = openConsumer({
    client,
    log,
    positions: [{ topic: STATUS, partition: 0, offset }],
    deliver: ({ records }) => {
      for (const { key, value } of records) {
        const entry = decodeLedger(key, value);
        if (!entry.ok || entry.value.kind !== "status") continue;
        const { client_id, registry, withdrawal } = entry.value.status;
        const written = open.get(client_id);
        if (written === undefined || registry.offset < written || withdrawal !== "done") continue;
        open.delete(client_id);
        clearTimeout(timer);
        timer = setTimeout(() => resolve(null), QUIET_MS_MAX);
      }
      if (open.size === 0) resolve(null);
    },
    problem: ({ kind }) => log("debug", "reading the ledger", { kind }),
  });
  await promise;
  clearTimeout(timer);
  await reader.close();
}
