/** Persistent volumes and their claims. Of where a volume lies its kind and driver only: attributes hold secrets. */
import type {
  CollectedVolume,
  CollectedVolumeClaim,
} from "../../../shared/protocol/collected-object.ts";
import type { AnnotationRule } from "./annotations.ts";
import { descriptionOf, metaOf } from "./meta.ts";
import { at, entries, text, texts } from "./read.ts";

/** Fields of a volume's spec that say nothing of its source. */
const NO_SOURCE: readonly string[] = [
  ...["capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName"],
  ...["mountOptions", "volumeMode", "nodeAffinity", "volumeAttributesClassName"],
];

export function encodeVolume(object: unknown, isAllowed: AnnotationRule): CollectedVolume {
  const spec = at(object, "spec");
  const claim = at(spec, "claimRef");
  return {
    ...metaOf(object),
    capacity: text(at(spec, "capacity", "storage")),
    access_modes: texts(at(spec, "accessModes")),
    reclaim_policy: text(at(spec, "persistentVolumeReclaimPolicy")),
    storage_class: text(at(spec, "storageClassName")),
    volume_mode: text(at(spec, "volumeMode")),
    status: text(at(object, "status", "phase")),
    ...(claim === undefined
      ? {}
      : { claim_ref: `${text(at(claim, "namespace"))}/${text(at(claim, "name"))}` }),
    volume_source: sourceOf(spec),
    ...descriptionOf(object, isAllowed),
  };
}

function sourceOf(spec: unknown): string {
  const [name, source] = entries(spec).find(([key]) => !NO_SOURCE.includes(key)) ?? [];
  const driver = text(at(source, "driver"));
  return driver === "" ? text(name) : `${text(name)}: ${driver}`;
}

export function encodeVolumeClaim(
  object: unknown,
  isAllowed: AnnotationRule,
): CollectedVolumeClaim {
  const spec = at(object, "spec");
  const storageClass = at(spec, "storageClassName");
  const volumeName = text(at(spec, "volumeName"));
  return {
    ...metaOf(object),
    requested_size: text(at(spec, "resources", "requests", "storage")),
    access_modes: texts(at(spec, "accessModes")),
    ...(storageClass === undefined ? {} : { storage_class: text(storageClass) }),
    volume_mode: text(at(spec, "volumeMode")),
    status: text(at(object, "status", "phase")),
    ...(volumeName === "" ? {} : { volume_name: volumeName }),
    ...descriptionOf(object, isAllowed),
  };
}
