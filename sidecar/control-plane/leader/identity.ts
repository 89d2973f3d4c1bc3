/**
 * To which fleet a control plane belongs, and whether it may lead after the last leader. A set of topics
 * belongs to one fleet: two fleets that share topics would depose each other for ever, and each would take
 * the other's workers for foreign. The last leader's record says which fleet they belong to. Pure.
 */

export type FleetIdentity = {
  readonly name: string;
  /** FLEET is not set: the name is Kafka's cluster id. */
  readonly isDefault: boolean;
  /** Former names; workers with these names are ours, too. */
  readonly aliases: readonly string[];
};

export const identityOf = (
  fleet: string | undefined,
  aliases: readonly string[] | undefined,
  clusterId: string | null,
): FleetIdentity => ({
  name: fleet ?? clusterId ?? "unknown",
  isDefault: fleet === undefined,
  aliases: aliases ?? [],
});

/** @returns why this fleet may not lead after that one, and what to set; undefined if it may */
export function refuseFleet(
  { name, isDefault, aliases }: FleetIdentity,
  lastFleet: string | undefined,
): string | undefined {
  if (lastFleet === undefined || lastFleet === name || aliases.includes(lastFleet))
    return undefined;
  const own = isDefault ? `"${name}" (FLEET is not set: Kafka's cluster id)` : `"${name}" (FLEET)`;
  return (
    `these topics belong to fleet "${lastFleet}", whose control plane led last (cluster.control); this one is of ` +
    `fleet ${own}: set FLEET=${lastFleet}, or, to rename the fleet, FLEET_ALIASES=${lastFleet}`
  );
}

/** One group for all control planes that share the topics, whatever their fleet. */
export const electionGroup = (clusterId: string): string => `outrider-control-plane-${clusterId}`;

/**
 * The groups in which a version that elected per fleet may lead: for this FLEET, or, if the upgrade renames
 * the fleet, for a former one. Without the group that all use now.
 */
export const formerGroups = (
  { name, isDefault, aliases }: FleetIdentity,
  clusterId: string,
): readonly string[] => {
  const fleets = new Set([...(isDefault ? [] : [name]), ...aliases]);
  fleets.delete(clusterId);
  return [...fleets].map(electionGroup);
};
