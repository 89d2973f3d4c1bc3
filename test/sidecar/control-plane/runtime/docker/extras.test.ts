/** WORKER_LABELS and WORKER_VOLUMES. */
import { describe, expect, test } from "bun:test";
import {
  parseLabels,
  parseVolumes,
} from "../../../../../sidecar/control-plane/runtime/docker/extras.ts";

describe("parseLabels()", () => {
  test.each([
    ["team=edge", { team: "edge" }],
    [
      "team=edge note='two words' a=b=c bare",
      { team: "edge", note: "two words", a: "b=c", bare: "" },
    ],
    ["outriders=x", { outriders: "x" }],
  ])("%s", (text, labels) => expect(parseLabels(text)).toEqual({ ok: true, value: labels }));
  test.each([
    ["=x", "no name"],
    ["a='x", "quote"],
    ["outrider.fleet=x", "outrider."],
    ["com.docker.compose.project=x", "com.docker."],
    ["io.docker.x=1", "io.docker."],
  ])("%s is refused", (text, why) => {
    const read = parseLabels(text);
    expect(read.ok ? "taken" : read.error).toContain(why);
  });
});

describe("parseVolumes()", () => {
  const bind = { kind: "bind", readOnly: true } as const;
  test.each([
    [
      "kafka-ca:/etc/kafka",
      [{ ...bind, kind: "volume", source: "kafka-ca", target: "/etc/kafka" }],
    ],
    [
      "/etc/ssl/certs:/etc/ssl/certs:ro",
      [{ ...bind, source: "/etc/ssl/certs", target: "/etc/ssl/certs" }],
    ],
    ["/srv//a/../b/:/data/:rw", [{ ...bind, source: "/srv/b", target: "/data", readOnly: false }]],
    [
      "'/srv/a b:/x' v1:/y",
      [
        { ...bind, source: "/srv/a b", target: "/x" },
        { ...bind, kind: "volume", source: "v1", target: "/y" },
      ],
    ],
    ["/var/lib/kafka-ca:/ca", [{ ...bind, source: "/var/lib/kafka-ca", target: "/ca" }]],
  ] as const)("%s", (text, mounts) => {
    expect(parseVolumes(text)).toEqual({ ok: true, value: [...mounts] });
  });
  test.each([
    ["/var/run/docker.sock:/var/run/docker.sock", "/var/run"],
    ["/run/docker.sock:/s", "/run"],
    ["/srv/../run/docker.sock:/s", "/run"],
    ["/:/host", "of the host"],
    ["/var:/x", "/var/run"],
    ["/var/lib/docker/volumes:/x", "/var/lib/docker"],
    ["/etc:/x", "/etc"],
    ["/proc:/x", "/proc"],
    ["/srv:/proc", "/proc"],
    ["/srv:/tmp", "/tmp"],
    ["/srv:/run", "/run/secrets"],
    ["/srv:/run/secrets/x", "/run/secrets"],
    ["/srv:/", "absolute"],
    ["/srv:data", "absolute"],
    ["./data:/x", "absolute path of the engine"],
    ["/srv", "absolute"],
    ["/srv:/x:z", "source:target"],
    ["/srv:/x:ro:z", "source:target"],
    ["/a:/x /b:/x", "another mount"],
  ])("%s is refused", (text, why) => {
    const read = parseVolumes(text);
    expect(read.ok ? "taken" : read.error).toContain(why);
  });
});
