{{- /* Of `persistence`: what stands in a claim can never be changed, labels of versions among it. */ -}}
{{- define "clusterInfo.claim" -}}
- metadata:
    name: data
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: { storage: {{ .size }} }
{{- end }}

{{- /*
16 bytes as Kafka writes them: in base64, for URLs. It stays for the life of the volumes, so it is made of what names
the release.
*/ -}}
{{- define "clusterInfo.kafkaClusterId" -}}
{{- $given := dig "kraft" "clusterId" "" .Values.kafka -}}
{{- if regexMatch "^[A-Za-z0-9_-]{22}$" $given -}}
{{ $given }}
{{- else if has $given (list "" "test-kafka-cluster-id") -}}
{{ printf "%s/%s" .Release.Namespace .Release.Name | sha256sum | trunc 16 | b64enc | trimSuffix "==" }}
{{- else -}}
{{- fail (printf "kafka.kraft.clusterId is %q, and Kafka takes 22 of A-Z, a-z, 0-9, - and _ (kafka-storage.sh random-uuid makes one). Leave it empty for one that is made of the release's name" $given) }}
{{- end -}}
{{- end }}
