/**
 * Amounts of memory and CPU as people write them. `256M` keeps Docker's meaning (256 MiB) wherever the
 * worker runs; Kubernetes reads the same text as 256,000,000 bytes, so it is given `256Mi`.
 */
import { err, ok, type Result } from "./result.ts";

const KIB = 1024;
/** docker/go-units `RAMInBytes` ends at P; so do we. */
const UNITS = ["", "k", "m", "g", "t", "p"] as const;
const BYTES = /^(?<amount>\d+(?:\.\d+)?) ?(?<unit>[kmgtp]?)(?:i?b|i)?$/iu;
const CPU = /^(?<amount>\d+(?:\.\d+)?|\.\d+)(?<milli>m?)$/u;

/** Text to bytes: `256M`, `256Mi`, `256MiB`, `256mb` are all 268,435,456; a bare number is bytes. */
export function parseBytes(text: string): Result<number, string> {
  const groups = BYTES.exec(text)?.groups;
  if (groups === undefined) return err("is not an amount of memory such as 256M, 512Mi or 1g");
  const power = UNITS.findIndex((unit) => unit === (groups["unit"] ?? "").toLowerCase());
  const bytes = Math.floor(Number(groups["amount"]) * KIB ** power);
  if (!Number.isSafeInteger(bytes)) return err("is more memory than can be counted");
  return ok(bytes);
}

/** Bytes as Kubernetes writes them, in the largest binary unit that is exact. */
export function kubernetesQuantity(bytes: number): string {
  let amount = bytes;
  let power = 0;
  while (amount !== 0 && amount % KIB === 0 && power < UNITS.length - 1) {
    amount /= KIB;
    power += 1;
  }
  const unit = UNITS[power] ?? "";
  return unit === "" ? String(amount) : `${amount}${unit.toUpperCase()}i`;
}

/** Text to thousandths of a CPU: `0.5` and `500m` are 500. Finer values are refused. */
export function parseCpu(text: string): Result<number, string> {
  const groups = CPU.exec(text)?.groups;
  if (groups === undefined) return err("is not a number of CPUs such as 0.5, 2 or 500m");
  const millis = Number(groups["amount"]) * (groups["milli"] === "m" ? 1 : 1000);
  const whole = Math.round(millis);
  if (!Number.isSafeInteger(whole)) return err("is more CPUs than can be counted");
  if (Math.abs(millis - whole) > 1e-6) return err("is finer than a thousandth of a CPU");
  return ok(whole);
}

/** Thousandths of a CPU as Kubernetes writes them: `500m`, `2`. */
export const kubernetesCpu = (millis: number): string =>
  millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
