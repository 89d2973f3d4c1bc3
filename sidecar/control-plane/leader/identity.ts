/**
 * Which fleet a control plane is of, and whether it may lead what the one before led. Topics hold one fleet: two
 * that share them would depose each other for ever, and each would take the other's workers for foreign. The last
 * leader's record says whose they are, whoever leads now. Pure.
 */

export type FleetIdentity = {
  readonly name: string;
  /** FLEET is not set: the name is Kafka's cluster id. */
  readonly isDefault: boolean;
  /** Former names, of which the workers are ours too. */
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

/** @returns why this fleet may not lead after that one, and what to set; undefined when it may */
export function refuseFleet(
  { name, isDefault, aliases }: FleetIdentity,
  lastFleet: string | undefined,
): string | undefined {
  if (lastFleet === undefined || lastFleet === name || aliases.includes(lastFleet))
    return undefined;
  const own = isDefault ? `"${name}" (FLEET is not set: Kafka's cluster id)` : `"${name}" (FLEET)`;
  return (
    `these topics are of fleet "${lastFleet}", whose control plane led last (cluster.control); this one is of ` +
    `fleet ${own}: set FLEET=${lastFleet}, or, where the fleet is to be renamed, FLEET_ALIASES=${lastFleet}`
  );
}

/** One group for all that share the topics, whatever their fleet. */
export const electionGroup = (clusterId: string): string => `outrider-control-plane-${clusterId}`;

/**
 * The groups in which a version that elected per fleet may lead: with this FLEET, or, where the upgrade
 * renames the fleet, with a former one. Without the group in which all elect now.
 */
export const formerGroups = (
  { name, isDefault, aliases }: FleetIdentity,
  clusterId: string,
): readonly string[] => {
  const fleets = new Set([...(isDefault ? [] : [name]), ...aliases]);
  fleets.delete(clusterId);
  return [...fleets].map(electionGroup);
};
