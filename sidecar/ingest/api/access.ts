/** Who may see which clusters: bearer tokens from a file, each with its client ids (pure but for the digest). */
import { timingSafeEqual } from "node:crypto";
import { err, ok, type Result } from "../../../shared/result.ts";

/** All clusters, or these. */
export type Visible = "all" | readonly string[];

export type AccessRefusal = { readonly status: 401 | 403; readonly detail: string };

export type ReadAccess = (authorization: string | undefined) => Result<Visible, AccessRefusal>;

const NO_TOKENS =
  "this address is not loopback and there are no tokens: set API_TOKENS_FILE, or API_AUTH=none";

/** For who is asked on loopback, or told that everybody may read. */
export const openToAll: ReadAccess = () => ok("all");

/** @param readTokens the file's text of now; undefined: there is none */
export function tokenAccess(readTokens: () => Result<string, string> | undefined): ReadAccess {
  return (authorization) => {
    const text = readTokens();
    if (text === undefined) return err({ status: 403, detail: NO_TOKENS });
    if (!text.ok) return err({ status: 403, detail: `API_TOKENS_FILE: ${text.error}` });
    const [, given] = /^Bearer (?<token>\S+)$/iu.exec(authorization ?? "") ?? [];
    if (given === undefined) {
      return err({
        status: 401,
        detail: "send Authorization: Bearer <token>, one of API_TOKENS_FILE",
      });
    }
    return seenBy(text.value, given);
  };
}

/** Every line is compared, so that the time says nothing of which one it was. */
function seenBy(text: string, given: string): Result<Visible, AccessRefusal> {
  let visible: Visible | undefined;
  for (const line of text.split("\n")) {
    const [token = "", clusters = ""] = line.trim().split(/\s+/u);
    if (token === "" || token.startsWith("#") || clusters === "") continue;
    if (!isSame(token, given)) continue;
    visible = clusters === "*" ? "all" : clusters.split(",").filter((id) => id !== "");
  }
  return visible === undefined
    ? err({ status: 401, detail: "the token is none of API_TOKENS_FILE" })
    : ok(visible);
}

const digest = (text: string): Buffer =>
  Buffer.from(new Bun.CryptoHasher("sha256").update(text).digest());

const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));
