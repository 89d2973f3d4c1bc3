/** A table of variables as text: for `--help` and for docs/operating.md. */
import type { About, Table } from "./table.ts";

const abouts = (table: Table): readonly About[] => Object.values(table).map(({ about }) => about);

const nameOf = (about: About): string => (about.secret ? `${about.name} or _FILE` : about.name);

/** Two lines for each variable, for a terminal. */
export function variablesText(table: Table): string {
  return abouts(table)
    .map((about) => {
      const without = about.without === "" ? "" : ` [${about.without}]`;
      return `  ${nameOf(about)}${without}\n      ${about.describe}; ${about.allowed}`;
    })
    .join("\n");
}

/** A Markdown table; a plus marks what the original program does not have. */
export function markdownTable(table: Table): string {
  const rows = abouts(table).map((about) => {
    const file = about.secret ? `, or \`${about.name}_FILE\`` : "";
    return row(
      `\`${about.name}\`${about.seed ? "" : " +"}${file}`,
      about.without,
      about.allowed,
      about.describe,
    );
  });
  return [row("Variable", "Default", "Allowed", "Meaning"), "|---|---|---|---|", ...rows].join(
    "\n",
  );
}

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
