/** Compose files as compose reads them, as far as ours and the original's go. */
import { join } from "node:path";
import * as v from "valibot";

const ROOT = join(import.meta.dir, "../..");

const Service = v.looseObject({
  image: v.string(),
  container_name: v.optional(v.string()),
  environment: v.record(v.string(), v.string()),
  volumes: v.optional(v.array(v.string()), []),
  group_add: v.optional(v.array(v.string()), []),
  read_only: v.optional(v.boolean(), false),
  cap_drop: v.optional(v.array(v.string()), []),
  security_opt: v.optional(v.array(v.string()), []),
});
export type Service = v.InferOutput<typeof Service>;
const Compose = v.looseObject({ services: v.record(v.string(), Service) });

/** `${NAME:-default}`, `${NAME:?message}` and `$$`, as compose reads them. */
export function interpolated(text: string, given: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\$\$|\$\{(?<name>\w+)(?<rule>:[-?])(?<rest>(?:[^{}]|\{[^}]*\})*)\}/gu,
    (whole, name: string | undefined, rule: string, rest: string) => {
      if (whole === "$$") return "$";
      const value = given[name ?? ""];
      if (value !== undefined) return value;
      if (rule === ":?") throw new Error(`${name} is required: ${rest}`);
      return rest;
    },
  );
}

export async function servicesOf(path: string, given: Readonly<Record<string, string>> = {}) {
  const text = interpolated(await Bun.file(join(ROOT, path)).text(), given);
  return v.parse(Compose, Bun.YAML.parse(text)).services;
}

export function serviceOf(services: Readonly<Record<string, Service>>, name: string): Service {
  const found = services[name];
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}
