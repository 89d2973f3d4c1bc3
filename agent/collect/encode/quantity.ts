/**
 * Sums of Kubernetes' quantities, in whole thousandths, which loses nothing that Kubernetes shows.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */

const QUANTITY =
  /^(?<sign>[+-]?)(?<whole>\d*)(?:\.(?<part>\d*))?(?<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/u;
const SCALE_DIGITS = 9;
const MILLI = 1_000_000n;
const UNIT = 1_000_000_000n;
const BINARY: readonly string[] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: readonly string[] = ["k", "M", "G", "T", "P", "E"];
/** Kubernetes' own bound is 2^63; beyond it no sum is worth its time. */
const EXPONENT_MAX = 20;

/** In billionths; undefined for what is no quantity. */
function parseQuantity(text: string): bigint | undefined {
  const groups = QUANTITY.exec(text)?.groups;
  const { sign, whole = "", part = "", unit = "" } = groups ?? {};
  if (groups === undefined || whole + part === "") return undefined;
  const digits = BigInt(whole + part.slice(0, SCALE_DIGITS).padEnd(SCALE_DIGITS, "0"));
  const factor = factorOf(unit);
  if (factor === undefined) return undefined;
  const amount = factor >= 0n ? digits * factor : digits / -factor;
  return sign === "-" ? -amount : amount;
}

/** What to multiply with; negative: what to divide by. */
function factorOf(unit: string): bigint | undefined {
  if (unit === "") return 1n;
  if (unit === "m") return -1000n;
  if (unit === "u") return -1_000_000n;
  if (unit === "n") return -1_000_000_000n;
  const binary = BINARY.indexOf(unit);
  if (binary !== -1) return 1024n ** BigInt(binary + 1);
  const decimal = DECIMAL.indexOf(unit);
  if (decimal !== -1) return 1000n ** BigInt(decimal + 1);
  const exponent = Number(unit.slice(1));
  if (Math.abs(exponent) > EXPONENT_MAX) return undefined;
  const power = 10n ** BigInt(Math.abs(exponent));
  return exponent < 0 ? -power : power;
}

/** The sum as Kubernetes would write it; empty when there is nothing to add. */
export function sumOfQuantities(quantities: readonly string[]): string {
  const amounts = quantities.map(parseQuantity).filter((amount) => amount !== undefined);
  if (amounts.length === 0) return "";
  const [only] = quantities;
  if (quantities.length === 1 && only !== undefined) return only;
  const sum = amounts.reduce((total, amount) => total + amount, 0n);
  return quantities.some((each) => each.endsWith("i")) ? binaryText(sum) : decimalText(sum);
}

function binaryText(sum: bigint): string {
  if (sum % UNIT !== 0n) return decimalText(sum);
  let amount = sum / UNIT;
  let suffix = "";
  for (const unit of BINARY) {
    if (amount === 0n || amount % 1024n !== 0n) break;
    amount /= 1024n;
    suffix = unit;
  }
  return `${amount}${suffix}`;
}

const decimalText = (sum: bigint): string =>
  sum % UNIT === 0n ? String(sum / UNIT) : `${(sum + MILLI - 1n) / MILLI}m`;
