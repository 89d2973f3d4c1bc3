/**
 * Whether a worker has seen what the marks of its cluster say (pure but for its own memory: an entry an object).
 * It begins wherever the group was; so a kind is compared from its first full pass on that was seen whole.
 */
import type { ClusterInfoMessage } from "../../../shared/protocol/cluster-info.ts";
import { addEntry, setEntry, setHashText } from "../../../shared/protocol/object-hash.ts";

type Seen = { readonly pass: string; readonly entry: bigint };
type Kind = { objects: Map<string, Seen>; isWhole: boolean };

export type MarkCheck = {
  readonly kind: string;
  readonly full: boolean;
  readonly count: number;
  /** Undefined: no full pass of this kind was seen from its start. */
  readonly equal: boolean | undefined;
};

export type MarkChecks = {
  /** @returns what is to be shown of a mark */
  readonly see: (message: ClusterInfoMessage) => MarkCheck | undefined;
};

export function openMarkChecks(): MarkChecks {
  let life = "";
  let kinds = new Map<string, Kind>();

  const kindOf = (name: string): Kind => {
    const kind = kinds.get(name) ?? { objects: new Map<string, Seen>(), isWhole: false };
    kinds.set(name, kind);
    return kind;
  };

  return {
    see: (message) => {
      const own = lifeOf(message);
      if (own !== undefined && own !== life) {
        life = own;
        kinds = new Map();
      }
      switch (message.type) {
        case "object": {
          const entry = setEntry(message.uid, message.record.hash);
          kindOf(message.kind).objects.set(message.uid, { pass: message.source.pass, entry });
          return undefined;
        }
        case "tombstone":
          kindOf(message.kind).objects.delete(message.uid);
          return undefined;
        case "mark":
          return checkMark(kindOf(message.kind), message);
        case "begin":
        case "scope":
          return undefined;
      }
    },
  };
}

function checkMark(
  kind: Kind,
  { kind: name, mark }: Extract<ClusterInfoMessage, { type: "mark" }>,
): MarkCheck {
  if (mark.full) {
    for (const [uid, { pass }] of kind.objects) if (pass !== mark.pass) kind.objects.delete(uid);
  }
  let sum = 0n;
  for (const { entry } of kind.objects.values()) sum = addEntry(sum, entry);
  const isEqual = kind.objects.size === mark.count && setHashText(sum) === mark.set_hash;
  // Unequal at the first full mark: the group stood in the middle of that pass.
  const wasWhole = kind.isWhole;
  kind.isWhole = wasWhole || (mark.full && isEqual);
  const equal = kind.isWhole ? isEqual : undefined;
  return { kind: name, full: mark.full, count: mark.count, equal };
}

function lifeOf(message: ClusterInfoMessage): string | undefined {
  switch (message.type) {
    case "begin":
      return message.begin.life;
    case "scope":
      return message.scope.life;
    case "object":
    case "tombstone":
    case "mark":
      return message.source?.life;
  }
}
