/** A text that changes whenever our credentials change: the TLS files, the password. */
import { statSync } from "node:fs";
import type { KafkaSettings } from "../../../shared/kafka/settings.ts";

/** Kubernetes replaces a whole directory by changing a symbolic link, so the link is followed. */
function fileMark(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    return `${ino}/${mtimeMs}/${size}`;
  } catch {
    return "absent";
  }
}

/** Costs one stat per file, and reading the password's file. Contains a hash of the password, never the password. */
export function credentialsOf({ tls, sasl }: KafkaSettings): () => string {
  const files = [tls?.caFile, tls?.certFile, tls?.keyFile].filter((file) => file !== undefined);
  return () => {
    const password = sasl === undefined ? "" : Bun.hash(sasl.password()).toString(36);
    return [...files.map(fileMark), password].join(" ");
  };
}
