/** Events of Kubernetes (core/v1). */
import type { CollectedEvent } from "../../../shared/protocol/collected-object.ts";
import { metaOf } from "./meta.ts";
import { at, count, message, text } from "./read.ts";

export function encodeEvent(object: unknown): CollectedEvent {
  const involved = at(object, "involvedObject");
  const series = at(object, "series");
  const moment = text(at(object, "eventTime"));
  return {
    ...metaOf(object),
    type: text(at(object, "type")),
    reason: text(at(object, "reason")),
    message: message(at(object, "message")),
    count: count(at(series, "count")) || count(at(object, "count")),
    first_time: text(at(object, "firstTimestamp")) || moment,
    last_time: text(at(series, "lastObservedTime")) || text(at(object, "lastTimestamp")) || moment,
    involved_kind: text(at(involved, "kind")),
    involved_namespace: text(at(involved, "namespace")),
    involved_name: text(at(involved, "name")),
    involved_uid: text(at(involved, "uid")),
    source_component:
      text(at(object, "source", "component")) || text(at(object, "reportingComponent")),
    source_host: text(at(object, "source", "host")) || text(at(object, "reportingInstance")),
  };
}
