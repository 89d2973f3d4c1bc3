/**
 * The variables that the broker sidecar's image sets: those of the Dockerfile's last target, which is the
 * default.
 */
import { join } from "node:path";

const DOCKERFILE = join(import.meta.dir, "../../../Dockerfile.sidecar");

export async function imageEnvironment(): Promise<Readonly<Record<string, string>>> {
  const text = await Bun.file(DOCKERFILE).text();
  const set = [...text.matchAll(/^ENV (?<name>\w+)=(?<value>\S+)$/gmu)];
  return Object.fromEntries(
    set.map(({ groups }) => [groups?.["name"] ?? "", groups?.["value"] ?? ""]),
  );
}
