/** The table that Kafka's consumer group tool prints. Pure. */

export type GroupRow = {
  readonly topic: string;
  readonly partition: number;
  readonly committed: number | null;
  readonly logEnd: number | null;
  readonly lag: number | null;
  readonly consumerId: string | null;
  readonly host: string | null;
  readonly clientId: string | null;
};

/** `GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID` */
export function parseGroup(stdout: string): readonly GroupRow[] {
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
  const head = rows.findIndex((row) => row[0] === "GROUP");
  if (head === -1) return [];
  return rows
    .slice(head + 1)
    .filter((row) => row.length > 1)
    .map((row) => ({
      topic: row[1] ?? "",
      partition: Number(row[2]),
      committed: numberOrNull(row[3]),
      logEnd: numberOrNull(row[4]),
      lag: numberOrNull(row[5]),
      consumerId: textOrNull(row[6]),
      host: textOrNull(row[7]),
      clientId: textOrNull(row[8]),
    }));
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined || text === "-" ? null : Number(text);
}

function textOrNull(text: string | undefined): string | null {
  return text === undefined || text === "-" ? null : text;
}
