/**
 * docs/probes.md lists each cause that can close a gate, and whether Kafka may be restarted for it: as many
 * rows as the checks have verdicts that close one, and what each closes is what the code closes.
 */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  CHECKS,
  type CheckName,
  type CheckStatus,
  STATUSES,
} from "../../sidecar/broker/check/check.ts";
import { verdictsOf } from "../../sidecar/broker/check/verdict.ts";
import {
  GATES,
  type GateName,
  type GateSettings,
  passGate,
} from "../../sidecar/broker/probe/gates.ts";
import { outcomeOf, probeStatus, type Readings } from "../../sidecar/broker/probe/status.ts";
import { clockOf } from "../clock.ts";
import { judged } from "../sidecar/broker/snapshot-sample.ts";

const ROOT = join(import.meta.dir, "../..");
const read = (path: string) => Bun.file(join(ROOT, path)).text();
const document = await read("docs/probes.md");
const manifest = await read("docs/deploy/kafka-statefulset.yaml");

const DEFAULT: GateSettings = { liveness: "local", futureReplicas: "warn" };
const SETTINGS: readonly (readonly [text: string, settings: GateSettings])[] = [
  ["closes", DEFAULT],
  ["`LIVENESS=cluster`", { ...DEFAULT, liveness: "cluster" }],
  ["`FUTURE_REPLICAS=fail`", { ...DEFAULT, futureReplicas: "fail" }],
];

/** Those whose failure restarts a container, as the example asks them. */
const restarting = new Set(
  [
    ...manifest.matchAll(/(?:startup|liveness)Probe:\s+httpGet: \{ path: \/health\/(?<gate>\w+)/gu),
  ].map(({ groups }) => groups?.["gate"] ?? ""),
);

function rowsOf(marker: string): readonly (readonly string[])[] {
  const table = document.split(`<!-- ${marker} -->`)[1]?.split(`<!-- /${marker} -->`)[0] ?? "";
  const lines = table.trim().split("\n").slice(2);
  return lines.map((line) => line.slice(2, -2).split(" | "));
}

/** With which setting a verdict closes a gate. */
function closingOf(check: CheckName, status: CheckStatus, gate: GateName): string {
  const plain = verdictsOf(check)(status, "because", 0);
  const verdict = check === "broker-registered" ? { ...plain, isUnanswered: true as const } : plain;
  const closes = SETTINGS.find(([, settings]) => !passGate(gate, [verdict], settings).healthy);
  return closes?.[0] ?? "–";
}

const restartOf = (closings: readonly string[]): string => {
  const ofThem = GATES.flatMap((gate, at) => (restarting.has(gate) ? [closings[at] ?? "–"] : []));
  if (ofThem.includes("closes")) return "yes";
  return ofThem.find((closing) => closing !== "–") ?? "no";
};

/** As they stand in the source, and one of what could not be read. */
async function verdictsIn(check: CheckName): Promise<readonly CheckStatus[]> {
  const source = await read(`sidecar/broker/check/${check}.ts`);
  const said = [...source.matchAll(/\bsay\(\s*(?<first>[^,]+),/gu)].flatMap(({ groups }) => {
    const first = groups?.["first"] ?? "";
    if (first === "futureReplicas") return ["warn", "fail"] as const;
    return STATUSES.filter((status) => first.includes(`"${status}"`));
  });
  return source.includes("readOr(") ? [...said, "unknown"] : said;
}

describe("docs/probes.md", () => {
  test("asks the probes that restart Kafka for live and startup", () => {
    expect([...restarting].sort()).toEqual(["live", "startup"]);
  });

  test.each([...CHECKS])("lists each cause of %s that closes a gate", async (check) => {
    const closings = (status: CheckStatus) => GATES.map((gate) => closingOf(check, status, gate));
    const made = (await verdictsIn(check))
      .filter((status) => closings(status).some((closing) => closing !== "–"))
      .map((status) => [status, ...closings(status), restartOf(closings(status))].join(" | "));
    const listed = rowsOf("causes")
      .filter(([name]) => name === `\`${check}\``)
      .map(([, status = "", _cause, ...cells]) =>
        [status.replaceAll("`", ""), ...cells].join(" | "),
      );
    expect([...listed].sort()).toEqual([...made].sort());
  });

  test("lists what closes a gate where no round speaks", () => {
    const readings = (changed: Partial<Readings>): Readings => ({
      ...{ brokerId: 0, latest: () => undefined, misconfigured: undefined, staleAfterMs: 6000 },
      ...{ gates: DEFAULT, clock: clockOf({ monotonicMs: () => 100_000 }) },
      ...changed,
    });
    const states: readonly Readings[] = [
      readings({}),
      readings({ latest: () => judged() }),
      readings({ latest: () => judged({ hasStarted: false }) }),
      readings({ misconfigured: "unsupported SASL mechanism" }),
    ];
    const made = states.map((state) => {
      const closings = GATES.map((gate) => {
        const isClosed = (settings: GateSettings) =>
          !outcomeOf(gate, probeStatus(state), { ...state, gates: settings }).healthy;
        return SETTINGS.find(([, settings]) => isClosed(settings))?.[0] ?? "–";
      });
      return [...closings, restartOf(closings)];
    });
    expect(rowsOf("no-round").map(([_cause, ...cells]) => cells)).toEqual(made);
  });
});
