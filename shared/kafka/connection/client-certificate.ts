/** Checks our own client certificate, because a broker's refusal does not say what is wrong with it. */

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { KafkaSettings } from "../settings.ts";

/** @returns undefined if it is valid, if there is none, and if it cannot be read (connecting reports that) */
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
