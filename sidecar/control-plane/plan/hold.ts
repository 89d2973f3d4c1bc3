/** What holds the acts on the whole fleet, in words; shown where health is asked for. Pure. */
import type { Book } from "../state/leader-state.ts";
import { hasRegistration, type Weather } from "./input.ts";

/** @returns undefined when nothing does */
export function describeHold(book: Book, weather: Weather): string | undefined {
  if (!book.actual.listed()) {
    return "the workers cannot be listed: nothing is started or stopped until they can";
  }
  if (weather.registryMadeAgain) {
    return "cluster.registry is not the one that the ledger knows: clean-ups and orphan stops are held until `sidecar accept-registry`";
  }
  const workers = book.actual.count();
  if (workers > 0 && !hasRegistration(book)) {
    return `cluster.registry holds no registration, but ${workers} workers of this fleet run: none is stopped; is this the right Kafka?`;
  }
  const { holds, silent, counted } = weather.brake();
  if (!holds) return undefined;
  return `the brake holds: ${silent} of ${counted} clusters are silent; clean-ups wait until they beat, or for \`sidecar release-brake\``;
}
