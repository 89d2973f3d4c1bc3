/** What a configuration selects, and what is wrong with it. */
import { describe, expect, test } from "bun:test";
import { kindOf } from "../../../agent/collect/encode/kind.ts";
import {
  parseCustomResources,
  parseKinds,
  scopeText,
  selectionsOf,
} from "../../../agent/collect/selection.ts";
import { readCollectConfig } from "../../../agent/config.ts";
import { openHost } from "../../../shared/config/host.ts";

const kinds = (text: string) => {
  const read = parseKinds(text);
  return read.ok ? read.value.map(({ kind }) => kind) : read.error;
};

describe("parseKinds()", () => {
  test("takes the original's words and Kubernetes' own", () => {
    expect(kinds("pods, persistent_volumes,persistentvolumes,deployments.apps")).toEqual([
      ...["pods", "persistentvolumes", "deployments.apps"],
    ]);
    expect(kinds("pods,things")).toStartWith('"things" is none of deployments, pods');
  });
});

describe("parseCustomResources()", () => {
  const rows: readonly (readonly [string, string])[] = [
    [
      "databases.example.com/v1=spec.engine, status.phase",
      "databases.example.com v1 true spec.engine,status.phase",
    ],
    ["limitranges/v1=spec", "limitranges v1 true spec"],
    ["things.example.com/v1beta1:cluster=a-b.c_d", "things.example.com v1beta1 false a-b.c_d"],
  ];
  test.each(rows)("%s", (text, want) => {
    const read = parseCustomResources(text);
    expect(
      read.ok
        ? read.value.map(
            ({ kind, resource, isNamespaced, fields }) =>
              `${kind} ${resource.version} ${isNamespaced} ${fields.join()}`,
          )
        : read.error,
    ).toEqual([want]);
  });
  const wrong = [
    ...["databases.example.com=spec", "databases.example.com/v1", "a/v1=spec..b", "a/v1=spec[0]"],
    ...["a/v1=x;a/v2=y", "A/v1=x"],
  ];
  test.each(wrong)("refuses %s", (text) => expect(parseCustomResources(text).ok).toBe(false));
});

describe("selectionsOf()", () => {
  const filter = { collectNamespaces: ["b", "a", "b"], collectLabelSelector: "app=web" };
  const [pods, nodes, events] = [kindOf("pods"), kindOf("nodes"), kindOf("events")];
  if (pods === undefined || nodes === undefined || events === undefined) throw new Error("no kind");
  test("is one for each namespace, and one for what lies in none", () => {
    expect(selectionsOf(pods, filter).map(({ namespace }) => namespace)).toEqual(["b", "a"]);
    expect(selectionsOf(nodes, filter)).toEqual([
      { resource: nodes.resource, labelSelector: "app=web" },
    ]);
    expect(selectionsOf(events, filter)[0]?.labelSelector).toBeUndefined();
    expect(scopeText(pods, filter)).toBe("namespaces=a,b;labels=app=web");
    expect(scopeText(nodes, filter)).toBe("labels=app=web");
    expect(scopeText(pods, { collectNamespaces: undefined, collectLabelSelector: undefined })).toBe(
      "",
    );
  });
});

describe("readCollectConfig()", () => {
  const read = (more: Readonly<Record<string, string>>) =>
    readCollectConfig({ CLIENT_ID: "af-1", ...more }, openHost());
  test("collects neither secrets nor events unless they are asked for", () => {
    const config = read({});
    const words = config.ok ? config.value.collectKinds.map(({ word }) => word) : [];
    expect(words).toHaveLength(8);
    expect(words).not.toContain("secrets");
    expect(words).not.toContain("events");
  });
  test("refuses a kind that is named twice", () => {
    const config = read({ COLLECT_CUSTOM_RESOURCES: "pods/v1=spec" });
    expect(config).toMatchObject({ ok: false, error: [{ name: "COLLECT_CUSTOM_RESOURCES" }] });
  });
});
