{{- /* `(dict "root" $ "labels" ... "annotations" ... "mode" "once")` */ -}}
{{- define "clusterInfo.collectorPod" -}}
{{- $root := .root -}}
{{- $collector := $root.Values.collector -}}
metadata:
  labels:
    {{- include "clusterInfo.podLabels" (dict "root" $root "component" "collector" "labels" .labels) | trim | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- include "clusterInfo.texts" . | trim | nindent 4 }}
  {{- end }}
spec:
  {{- if eq .mode "once" }}
  restartPolicy: Never
  {{- end }}
  terminationGracePeriodSeconds: 30
  {{- include "clusterInfo.podSettings" (dict "root" $root "pod" $collector "component" "collector" "token" true) | nindent 2 }}
  containers:
    - name: collector
      image: {{ include "clusterInfo.image" (dict "root" $root "name" "image" "image" $root.Values.image "own" $collector.image) }}
      imagePullPolicy: {{ dig "pullPolicy" $root.Values.image.pullPolicy ($collector.image | default dict) }}
      args: [collect, --mode, {{ .mode }}]
      {{- include "clusterInfo.envOf" (dict "env" (include "clusterInfo.collectorEnv" $root) "pod" $collector) | nindent 6 }}
      {{- with (include "clusterInfo.mountsOf" (dict "mounts" (include "clusterInfo.kafkaMounts" $root) "pod" $collector)) }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- if eq .mode "watch" }}
      ports:
        - { name: metrics, containerPort: {{ $root.Values.config.metrics.port }}, protocol: TCP }
      # None of them asks Kafka or Kubernetes: neither's outage restarts it.
      startupProbe:
        httpGet: { path: /health/live, port: metrics }
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /health/live, port: metrics }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /health/ready, port: metrics }
        periodSeconds: 5
        timeoutSeconds: 5
      {{- end }}
      resources:
        {{- toYaml $collector.resources | nindent 8 }}
      {{- include "clusterInfo.containerSecurity" $root | nindent 6 }}
  {{- with (include "clusterInfo.volumesOf" (dict "volumes" (include "clusterInfo.kafkaVolumes" $root) "pod" $collector)) }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "clusterInfo.collectorEnv" -}}
- name: CLIENT_ID
  value: {{ include "clusterInfo.clientId" . | quote }}
{{ include "clusterInfo.selectionEnv" .Values.collector }}
- name: PORT
  value: {{ .Values.config.metrics.port | quote }}
{{ include "clusterInfo.kafkaEnv" . }}
{{- end }}
