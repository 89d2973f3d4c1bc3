/**
 * What the agent reads from the ledger (shared/protocol/ledger.ts). It is parsed leniently, because agents
 * and control planes are not upgraded together: fields on which the agent does not decide may be absent or
 * of any type, and unknown values of a later version are kept.
 */
import * as v from "valibot";
import { keyText, OWN_VALUE_BYTES_MAX, parseJson } from "../../shared/protocol/json.ts";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const LedgerAnswer = v.object({
  client_id: v.string(),
  epoch: whole,
  /** The accepted record; a null value is a tombstone. */
  registry: v.object({ partition: whole, offset: whole, value: v.nullable(v.string()) }),
  /** `pending`, `done`, or a value of a later version. */
  withdrawal: v.nullable(v.string()),
  /** The tombstone was history when it was read: its consumer group was not deleted. */
  group_kept: v.fallback(v.optional(v.boolean()), undefined),
  conflict: v.fallback(v.optional(v.object({ instances: v.array(v.string()) })), undefined),
  /** Members of its group that are not its worker; only for a line of text. */
  stray: v.fallback(
    v.optional(
      v.object({ members: v.array(v.object({ client_id: v.string(), host: v.string() })) }),
    ),
    undefined,
  ),
  worker: v.nullish(v.object({ state: v.string(), restarts: v.optional(v.unknown()) }), null),
});
export type LedgerAnswer = v.InferOutput<typeof LedgerAnswer>;

const Progress = v.object({ topic_id: v.string(), offset: whole, epoch: whole });
/** How far a registry partition has been judged: the first offset that has not. */
export type Progress = v.InferOutput<typeof Progress>;

const Epoch = v.object({ epoch: whole });

export type Read =
  | { readonly kind: "answer"; readonly epoch: number; readonly answer: LedgerAnswer }
  | {
      readonly kind: "progress";
      readonly epoch: number;
      readonly partition: number;
      readonly progress: Progress;
    }
  /** A record that we cannot read; with its epoch, if at least that can be read. */
  | { readonly kind: "unread"; readonly key: string; readonly epoch: number | undefined };

const PROGRESS_KEY = /^_applied:(?<partition>\d{1,9})$/u;

export function readAnswer(key: Uint8Array | null, value: Uint8Array | null): Read {
  const name = keyText(key) ?? "";
  const parsed = parseJson(value ?? new Uint8Array(), OWN_VALUE_BYTES_MAX);
  if (!parsed.ok) return { kind: "unread", key: name, epoch: undefined };
  const { json } = parsed.value;
  const partition = PROGRESS_KEY.exec(name)?.groups?.["partition"];
  if (partition !== undefined) {
    const progress = v.safeParse(Progress, json);
    if (progress.success) {
      const { epoch } = progress.output;
      return { kind: "progress", epoch, partition: Number(partition), progress: progress.output };
    }
  } else {
    const answer = v.safeParse(LedgerAnswer, json);
    if (answer.success && answer.output.client_id === name) {
      return { kind: "answer", epoch: answer.output.epoch, answer: answer.output };
    }
  }
  const epoch = v.safeParse(Epoch, json);
  return { kind: "unread", key: name, epoch: epoch.success ? epoch.output.epoch : undefined };
}
