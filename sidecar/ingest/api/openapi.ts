/** The API as an OpenAPI 3.1 document (pure). */
import { LIST_PATHS } from "./query.ts";

type Parameter = {
  readonly name: string;
  readonly in: "query" | "path";
  readonly [field: string]: unknown;
};

const text = { type: "string" } as const;
const query = (name: string, description: string, schema: object = text): Parameter => ({
  ...{ name, in: "query", description, schema },
});
const path = (name: string, description: string): Parameter => ({
  ...{ name, in: "path", required: true, description, schema: text },
});

const LIMIT = query("limit", "How many at most", {
  ...{ type: "integer", minimum: 1, maximum: 1000, default: 100 },
});
const NEXT = query("next", "The `next` of the page before");
const MOMENT = { type: "string", format: "date-time" } as const;
const LIST: readonly Parameter[] = [
  query("client_id", "Of this cluster alone"),
  query("namespace", "In this namespace alone"),
  query("as_of", "As it was at this moment", MOMENT),
  ...[LIMIT, NEXT],
];
const CLUSTER = path("id", "The cluster's client id");

const object = (properties: Readonly<Record<string, object>>, required: readonly string[]) => ({
  ...{ type: "object", properties, required },
});
const page = (items: object) =>
  object(
    {
      data: { type: "array", items },
      count: { type: "integer" },
      next: { ...text, description: "Absent on the last page" },
      complete_to: {
        ...{ type: ["string", "null"], format: "date-time" },
        description: "Changes after this moment may not be in the answer yet",
      },
      verified: {
        type: "boolean",
        description: "Whether the rows equalled the agent's objects at its last mark",
      },
    },
    ["data", "count"],
  );
const ANY = { type: "object", additionalProperties: true } as const;
const ERROR = object({ error: text }, ["error"]);

const answer = (description: string, schema: object) => ({
  ...{ description, content: { "application/json": { schema } } },
});

function operation(
  id: string,
  summary: string,
  parameters: readonly Parameter[],
  schema: object,
): object {
  const refused = ["400", "401", "403", "404", "410", "503"].map((status) => [
    status,
    answer("Why not", ERROR),
  ]);
  const responses = { "200": answer("The answer", schema), ...Object.fromEntries(refused) };
  return { get: { operationId: id, summary, parameters, responses } };
}

export function openApiDocument(version: string): object {
  const lists = LIST_PATHS.map((kind) => [
    `/api/v1/${kind}`,
    operation(`list-${kind}`, `${kind} of all clusters`, LIST, page(ANY)),
  ]);
  const of = (name: string) => `/api/v1/clusters/{id}${name}`;
  return {
    openapi: "3.1.0",
    info: { title: "Outrider: what is in the clusters", version },
    security: [{ bearer: [] }],
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
    paths: {
      ...Object.fromEntries(lists),
      "/api/v1/objects/{kind}": operation(
        ...(["list-objects", "Objects of any kind, custom resources too"] as const),
        [path("kind", "Such as deployments.apps"), ...LIST],
        page(ANY),
      ),
      "/api/v1/clusters": operation("list-clusters", "All clusters", [], page(ANY)),
      [of("")]: operation("get-cluster", "One cluster", [CLUSTER], page(ANY)),
      [of("/diff")]: operation(
        ...(["diff-cluster", "What changed between two moments"] as const),
        [
          CLUSTER,
          query("from", "The earlier", MOMENT),
          query("to", "The later; now", MOMENT),
          LIMIT,
          NEXT,
        ],
        page(ANY),
      ),
      [of("/proof")]: operation(
        ...([
          "prove-cluster",
          "Number and hash of its rows, or with kind the hash of each object",
        ] as const),
        [CLUSTER, query("kind", "Object by object"), LIMIT, NEXT],
        page(ANY),
      ),
      "/api/v1/snapshots": operation(
        "list-snapshots",
        "Snapshots, newest first",
        [LIMIT],
        page(ANY),
      ),
      "/api/v1/snapshots/{id}": operation(
        ...(["get-snapshot", "One snapshot"] as const),
        [path("id", "Its number, or latest")],
        ANY,
      ),
      "/api/v1/stats": operation("get-stats", "How much there is of everything", [], ANY),
    },
  };
}
