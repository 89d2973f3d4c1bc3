/**
 * Whether a well-formed record may speak for its cluster: not a tombstone that one of two living agents
 * wrote, and not one of an installation that another has replaced. Pure; docs/protocol.md explains the
 * headers.
 */
import { installationOf } from "../../../shared/protocol/installation.ts";
import type { Accepted } from "../../../shared/protocol/ledger.ts";
import type { RegistryMessage } from "../../../shared/protocol/message.ts";
import type { Refusal } from "../../../shared/protocol/quarantine.ts";
import {
  BY,
  BY_AGENT,
  BY_OPERATOR,
  FORCE,
  FORCED,
  INSTALLATION,
} from "../../../shared/protocol/registry-header.ts";
import type { Cluster } from "../fleet/fleet.ts";

type Headers = Readonly<Record<string, string>>;

/** The facts about a cluster that decide who may speak for it. */
type Speaker = Pick<Cluster, "clientId" | "facts"> & {
  readonly registry: Pick<Accepted, "value" | "headers">;
};

/** Undefined: it may. A cluster without a registration needs no protection. */
export function refusalOf(
  cluster: Speaker | undefined,
  message: RegistryMessage,
  headers: Headers,
): Refusal | undefined {
  if (cluster === undefined) return undefined;
  if (cluster.registry.value === null) return refuseAutomatic(cluster, message, headers);
  const accepted = installationOf(cluster.registry.value);
  if (message.kind === "tombstone") return refuseTombstone(cluster, accepted, headers);
  const { installation_id: sender } = message.registration;
  const isTakeover = accepted !== undefined && sender !== undefined && sender !== accepted;
  if (!isTakeover || cluster.facts?.conflict === undefined) return undefined;
  return inConflict(cluster, "a registration of another installation is not accepted meanwhile");
}

/** A cluster that a person has withdrawn comes back when a person asks for it, not at the next restart of a host. */
function refuseAutomatic(
  { clientId, registry }: Speaker,
  message: RegistryMessage,
  headers: Headers,
): Refusal | undefined {
  const isAutomatic = message.kind === "registration" && headers[BY] === BY_AGENT;
  if (!isAutomatic || registry.headers[BY] !== BY_OPERATOR) return undefined;
  const detail =
    `an operator has withdrawn ${clientId} (sidecar withdraw); to bring it back: agent register, or ` +
    "agent run --re-register";
  return { code: "withdrawn-by-operator", detail };
}

function refuseTombstone(
  cluster: Speaker,
  accepted: string | undefined,
  headers: Headers,
): Refusal | undefined {
  const sender = headers[INSTALLATION];
  if (accepted !== undefined && sender !== undefined && sender !== accepted) {
    const detail =
      `the tombstone is of installation ${shortened(sender)}, the registration of installation ` +
      `${shortened(accepted)}, which has taken over ${cluster.clientId}; it stays registered`;
    return { code: "other-installation", detail };
  }
  if (cluster.facts?.conflict === undefined || headers[FORCE] === FORCED) return undefined;
  return inConflict(
    cluster,
    "stop one of them and wait until this is over, or withdraw with --force",
  );
}

function inConflict({ clientId, facts }: Speaker, advice: string): Refusal {
  const { instances = [], since = "" } = facts?.conflict ?? {};
  const names = instances.map(shortened).join(" and ");
  const detail = `two agents beat in turn as ${clientId} (instances ${names}, since ${since}): ${advice}`;
  return { code: "identity-conflict", detail };
}

const CHARS_SHOWN_MAX = 64;
const shortened = (id: string): string => id.slice(0, CHARS_SHOWN_MAX);
