{{- define "kafka.sidecar" -}}
{{- dict
  "image" .Values.sidecarImage
  "user" .Values.user
  "replicas" .Values.replicas
  "statefulSet" .Release.Name
  "service" .Release.Name
  "namespace" .Release.Namespace
| toYaml }}
{{- end }}
{{- define "kafka.labels" -}}
app.kubernetes.io/name: kafka
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
