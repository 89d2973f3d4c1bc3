/** Services and ingresses. */
import type {
  CollectedIngress,
  CollectedService,
} from "../../../shared/protocol/collected-object.ts";
import type { AnnotationRule } from "./annotations.ts";
import { descriptionOf, metaOf } from "./meta.ts";
import { at, count, items, text, textMap, textOrNumber, texts } from "./read.ts";

export function encodeService(object: unknown, isAllowed: AnnotationRule): CollectedService {
  const spec = at(object, "spec");
  return {
    ...metaOf(object),
    type: text(at(spec, "type")),
    cluster_ip: text(at(spec, "clusterIP")),
    external_ips: texts(at(spec, "externalIPs")),
    ports: items(at(spec, "ports")).map((port) => {
      const nodePort = count(at(port, "nodePort"));
      return {
        name: text(at(port, "name")),
        protocol: text(at(port, "protocol")),
        port: count(at(port, "port")),
        target_port: textOrNumber(at(port, "targetPort")),
        ...(nodePort === 0 ? {} : { node_port: nodePort }),
      };
    }),
    selector: textMap(at(spec, "selector")),
    ...descriptionOf(object, isAllowed),
  };
}

export function encodeIngress(object: unknown, isAllowed: AnnotationRule): CollectedIngress {
  const rules = items(at(object, "spec", "rules"));
  const paths = rules.flatMap((rule) => items(at(rule, "http", "paths")));
  return {
    ...metaOf(object),
    hosts: rules.map((rule) => text(at(rule, "host"))).filter((host) => host !== ""),
    paths: paths.map((path) => {
      const service = at(path, "backend", "service");
      const port = at(service, "port");
      return {
        path: text(at(path, "path")),
        path_type: text(at(path, "pathType")),
        service_name: text(at(service, "name")),
        service_port: text(at(port, "name")) || textOrNumber(at(port, "number")),
      };
    }),
    tls: items(at(object, "spec", "tls")).map((tls) => ({
      hosts: texts(at(tls, "hosts")),
      secret_name: text(at(tls, "secretName")),
    })),
    ...descriptionOf(object, isAllowed),
  };
}
