/** A text that changes whenever something changes that we authenticate with: the TLS files, the password. */
import { statSync } from "node:fs";
import type { KafkaSettings } from "../../../shared/kafka/settings.ts";

/** Kubernetes exchanges a whole directory by a symbolic link, so it is the file behind it that is looked at. */
function fileMark(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    return `${ino}/${mtimeMs}/${size}`;
  } catch {
    return "absent";
  }
}

/** Costs a stat a file, and the reading of the password's. It holds a hash of the password, never the password. */
export function credentialsOf({ tls, sasl }: KafkaSettings): () => string {
  const files = [tls?.caFile, tls?.certFile, tls?.keyFile].filter((file) => file !== undefined);
  return () => {
    const password = sasl === undefined ? "" : Bun.hash(sasl.password()).toString(36);
    return [...files.map(fileMark), password].join(" ");
  };
}
