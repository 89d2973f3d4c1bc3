/** Neo4j's variables: the control plane passes them on, a worker may use them. We never connect to it. */
import { text } from "./schema.ts";
import { secretWithDefault, withDefault } from "./table.ts";

const TEXT_CHARS_MAX = 4096;

export const NEO4J_TABLE = {
  neo4jUri: withDefault({
    name: "NEO4J_URI",
    schema: text(TEXT_CHARS_MAX, "a URI"),
    default: "neo4j://neo4j:7687",
    describe: "Neo4j's address, passed on to the workers",
    seed: true,
  }),
  neo4jUser: withDefault({
    name: "NEO4J_USER",
    schema: text(TEXT_CHARS_MAX, "a name"),
    default: "neo4j",
    describe: "Neo4j's user, passed on to the workers",
    seed: true,
  }),
  neo4jPass: secretWithDefault({
    name: "NEO4J_PASS",
    schema: text(TEXT_CHARS_MAX, "a password"),
    default: "password",
    describe: "Neo4j's password, passed on to the workers",
    seed: true,
  }),
} as const;
