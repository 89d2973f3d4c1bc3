{{- /* What workers get besides their image: variables, TLS files, a pod template, labels and volumes. */ -}}

{{- define "outrider.checkWorkers" -}}
{{- $workers := .Values.workers -}}
{{- if and $workers.env $workers.existingEnvSecret }}
{{- fail "workers.env and workers.existingEnvSecret: one of them, not both" }}
{{- end }}
{{- if eq .Values.runtime "kubernetes" }}
{{- if or $workers.labels $workers.volumes }}
{{- fail "workers.labels and workers.volumes are for runtime docker: use workers.podTemplate" }}
{{- end }}
{{- if and $workers.existingSecret (or $workers.env $workers.existingEnvSecret (include "outrider.workerTlsItems" .)) }}
{{- fail "with workers.existingSecret workers get nothing else: put the variables of workers.env into it, and mount the files of workers.tls by workers.podTemplate" }}
{{- end }}
{{- else if $workers.podTemplate }}
{{- fail "workers.podTemplate is for runtime kubernetes: use workers.env, workers.labels and workers.volumes" }}
{{- end }}
{{- end }}

{{- define "outrider.podTemplateName" -}}
{{ include "outrider.name" (dict "release" .Release.Name "suffix" "worker-pod-template") }}
{{- end }}

{{- /* NAME="value" lines: quotes keep blanks at both ends, and their content is taken literally. */ -}}
{{- define "outrider.workerEnvFile" -}}
{{- range $name, $value := .Values.workers.env }}
{{ $name }}="{{ $value | toString }}"
{{- end }}
{{- end }}

{{- define "outrider.workerEnvSecret" -}}
{{- if .Values.workers.existingEnvSecret }}{{ .Values.workers.existingEnvSecret }}
{{- else if .Values.workers.env }}{{ include "outrider.secretName" . }}
{{- end }}
{{- end }}

{{- define "outrider.workerTlsItems" -}}
{{- with .Values.workers.tls }}
{{- if .existingSecret }}
{{- with .caKey }}
- { key: {{ . }}, path: ca.crt }
{{- end }}
{{- if .certificateKey }}
- { key: {{ .certificateKey }}, path: tls.crt }
- { key: {{ required "workers.tls.keyKey is required with certificateKey" .keyKey }}, path: tls.key }
{{- end }}
{{- else if .ca }}
- { key: worker-ca.crt, path: ca.crt }
{{- end }}
{{- end }}
{{- end }}

{{- define "outrider.workerEnv" -}}
{{- include "outrider.checkWorkers" . }}
{{- $workers := .Values.workers -}}
{{- $tls := include "outrider.workerTlsItems" . -}}
{{- if $workers.inheritKafkaAuth }}
- name: WORKER_INHERIT_KAFKA_AUTH
  value: "true"
{{- end }}
{{- if include "outrider.workerEnvSecret" . }}
- name: WORKER_ENV_FILE
  value: /etc/outrider/worker-env/worker.env
{{- end }}
{{- if contains "path: ca.crt" $tls }}
- name: WORKER_TLS_CA_FILE
  value: /etc/outrider/worker-tls/ca.crt
{{- end }}
{{- if contains "path: tls.crt" $tls }}
- name: WORKER_TLS_CERT_FILE
  value: /etc/outrider/worker-tls/tls.crt
- name: WORKER_TLS_KEY_FILE
  value: /etc/outrider/worker-tls/tls.key
{{- end }}
{{- if $workers.podTemplate }}
- name: WORKER_POD_TEMPLATE
  value: /etc/outrider/worker-pod/template.yaml
{{- end }}
{{- with $workers.labels }}
- name: WORKER_LABELS
  value: {{ include "outrider.labelWords" . | trim | quote }}
{{- end }}
{{- with $workers.volumes }}
- name: WORKER_VOLUMES
  value: {{ include "outrider.words" . | trim | quote }}
{{- end }}
{{- end }}

{{- /* Quoted as in a shell. */ -}}
{{- define "outrider.words" -}}
{{- range . }} '{{ . | toString | replace "'" "'\\''" }}'{{ end }}
{{- end }}

{{- define "outrider.labelWords" -}}
{{- $words := list -}}
{{- range $name, $value := . }}{{ $words = append $words (printf "%s=%v" $name $value) }}{{ end -}}
{{- include "outrider.words" $words }}
{{- end }}

{{- define "outrider.workerMounts" -}}
{{- if include "outrider.workerEnvSecret" . }}
- name: worker-env
  mountPath: /etc/outrider/worker-env
  readOnly: true
{{- end }}
{{- if include "outrider.workerTlsItems" . }}
- name: worker-tls
  mountPath: /etc/outrider/worker-tls
  readOnly: true
{{- end }}
{{- if .Values.workers.podTemplate }}
- name: worker-pod
  mountPath: /etc/outrider/worker-pod
  readOnly: true
{{- end }}
{{- end }}

{{- define "outrider.workerVolumes" -}}
{{- $workers := .Values.workers -}}
{{- with (include "outrider.workerEnvSecret" .) }}
- name: worker-env
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - { key: {{ ternary $workers.envSecretKey "worker.env" (ne $workers.existingEnvSecret "") }}, path: worker.env }
{{- end }}
{{- with (include "outrider.workerTlsItems" .) }}
- name: worker-tls
  secret:
    secretName: {{ $workers.tls.existingSecret | default (include "outrider.secretName" $) }}
    defaultMode: 0440
    items:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- if $workers.podTemplate }}
- name: worker-pod
  configMap:
    name: {{ include "outrider.podTemplateName" . }}
{{- end }}
{{- end }}
