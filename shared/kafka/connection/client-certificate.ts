/** Our own client certificate, looked at by ourselves: a broker's refusal says only that it does not like it. */

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { KafkaSettings } from "../settings.ts";

/** @returns undefined while it is valid, where there is none, and where it cannot be read (connecting says that) */
export function expiredCertificate({ tls }: KafkaSettings): string | undefined {
  if (tls?.certFile === undefined) return undefined;
  try {
    const { validTo, subject } = new X509Certificate(readFileSync(tls.certFile));
    if (Date.parse(validTo) > Date.now()) return undefined;
    return `our certificate (${subject}) has expired: it was valid to ${validTo}`;
  } catch {
    return undefined;
  }
}
