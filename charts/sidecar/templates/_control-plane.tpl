{{- define "outrider.controlPlaneEnv" -}}
{{- $plane := .Values.controlPlane -}}
{{- $timing := $plane.timing -}}
{{- if le (include "outrider.milliseconds" $timing.cleanupTimeout | int64) (include "outrider.milliseconds" $timing.heartbeatTimeout | int64) }}
{{- fail (printf "controlPlane.timing.cleanupTimeout (%s) must be longer than heartbeatTimeout (%s): raise both" $timing.cleanupTimeout $timing.heartbeatTimeout) }}
{{- end }}
- name: METRICS_PORT
  value: "9090"
- name: HEARTBEAT_TIMEOUT
  value: {{ $plane.timing.heartbeatTimeout | quote }}
- name: CLEANUP_TIMEOUT
  value: {{ $plane.timing.cleanupTimeout | quote }}
- name: RECONCILE_INTERVAL
  value: {{ $plane.timing.reconcileInterval | quote }}
- name: SESSION_TIMEOUT
  value: {{ $plane.timing.sessionTimeout | quote }}
{{- with $plane.timing.workerMinReady }}
- name: WORKER_MIN_READY
  value: {{ . | quote }}
{{- end }}
- name: CLEANUP_BRAKE_PERCENT
  value: {{ $plane.cleanupBrakePercent | quote }}
- name: RUNTIME
  value: {{ .Values.runtime }}
{{- if eq .Values.runtime "kubernetes" }}
- name: K8S_MODE
  value: "true"
- name: WORKER_NAMESPACE
  value: {{ include "outrider.workerNamespace" . | quote }}
- name: WORKER_SERVICE_ACCOUNT
  value: {{ include "outrider.workerServiceAccount" . | quote }}
{{- with (include "outrider.workerSecret" .) }}
- name: WORKER_SECRET
  value: {{ . | quote }}
{{- end }}
{{- else }}
{{- include "outrider.checkDocker" . }}
- name: DOCKER_HOST
  value: {{ .Values.docker.host | quote }}
{{- if .Values.docker.tls.existingSecret }}
- name: DOCKER_TLS_VERIFY
  value: "1"
- name: DOCKER_CERT_PATH
  value: /etc/outrider/docker
{{- end }}
- name: DOCKER_NETWORK
  value: {{ .Values.docker.network | quote }}
{{- end }}
- name: GRAPH_BUILDER_IMAGE
  value: {{ .Values.workers.image | quote }}
- name: GB_MEMORY_LIMIT
  value: {{ (include "outrider.text" (dict "name" "workers.memoryLimit" "value" .Values.workers.memoryLimit)) | quote }}
- name: GB_CPU_LIMIT
  value: {{ .Values.workers.cpuLimit | quote }}
- name: NEO4J_URI
  value: {{ .Values.neo4j.uri | quote }}
- name: NEO4J_USER
  value: {{ (include "outrider.text" (dict "name" "neo4j.user" "value" .Values.neo4j.user)) | quote }}
{{- if not (include "outrider.workerSecret" .) }}
- name: NEO4J_PASS_FILE
  value: /etc/outrider/neo4j/password
{{- end }}
{{- include "outrider.workerEnv" . }}
{{- with $plane.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "outrider.checkDocker" -}}
{{- $docker := .Values.docker -}}
{{- if not $docker.host }}
{{- fail "docker.host is required when runtime is docker" }}
{{- end }}
{{- if not (or $docker.tls.existingSecret $docker.plain) }}
{{- fail "docker.tls.existingSecret is required when runtime is docker: a Secret with ca.pem, cert.pem and key.pem; or docker.plain=true for an engine that asks nobody who he is" }}
{{- end }}
{{- if .Values.workers.existingSecret }}
{{- fail "workers.existingSecret is for runtime kubernetes: an engine has no Secrets; give neo4j.existingSecret" }}
{{- end }}
{{- end }}

{{- define "outrider.controlPlaneMounts" -}}
{{ include "outrider.kafkaMounts" . }}
{{- if not (include "outrider.workerSecret" .) }}
- name: neo4j
  mountPath: /etc/outrider/neo4j
  readOnly: true
{{- end }}
{{- if include "outrider.dockerSecret" . }}
- name: docker
  mountPath: /etc/outrider/docker
  readOnly: true
{{- end }}
{{- include "outrider.workerMounts" . }}
{{- with .Values.controlPlane.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "outrider.controlPlaneVolumes" -}}
{{ include "outrider.kafkaVolumes" . }}
{{- if not (include "outrider.workerSecret" .) }}
- name: neo4j
  secret:
    secretName: {{ .Values.neo4j.existingSecret | default (include "outrider.secretName" .) }}
    defaultMode: 0440
    items:
      - key: {{ ternary .Values.neo4j.passwordKey "neo4j-password" (ne .Values.neo4j.existingSecret "") }}
        path: password
{{- end }}
{{- with (include "outrider.dockerSecret" .) }}
- name: docker
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- include "outrider.workerVolumes" . }}
{{- with .Values.controlPlane.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
