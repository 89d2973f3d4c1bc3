{{- /* What the pods of collector and consumer share: who they are to Kafka, and how they run. */ -}}

{{- define "clusterInfo.kafkaEnv" -}}
{{- $sasl := .Values.externalKafka.sasl -}}
{{- $tls := .Values.externalKafka.tls -}}
{{- $secret := .Values.externalKafka.existingSecret -}}
- name: KAFKA_BROKERS
{{- if .Values.kafka.enabled }}
  value: {{ include "clusterInfo.internalBrokers" . | quote }}
{{- else if $secret }}
  valueFrom:
    secretKeyRef: { name: {{ $secret }}, key: {{ .Values.externalKafka.existingSecretBrokersKey }} }
{{- else }}
  value: {{ include "clusterInfo.externalBrokers" . | quote }}
{{- end }}
- name: KAFKA_TOPIC
  value: {{ include "clusterInfo.topic" . | quote }}
# Whoever comes first makes it.
- name: KAFKA_TOPIC_PARTITIONS
  value: {{ include "clusterInfo.partitions" . | quote }}
- name: LOG_LEVEL
  value: {{ .Values.config.logLevel | quote }}
- name: LOG_FORMAT
  value: {{ .Values.config.logFormat | quote }}
{{- if $sasl.enabled }}
- name: SASL_ENABLED
  value: "true"
- name: SASL_MECHANISM
  value: {{ $sasl.mechanism | quote }}
- name: SASL_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ $sasl.existingSecret | default (include "clusterInfo.kafkaSecretName" .) }}
      key: {{ ternary $sasl.usernameKey "sasl-username" (ne $sasl.existingSecret "") }}
- name: SASL_PASSWORD_FILE
  value: /etc/outrider/sasl/password
{{- end }}
{{- if $tls.enabled }}
- name: TLS_ENABLED
  value: "true"
{{- if contains "path: ca.crt" (include "clusterInfo.kafkaTlsItems" .) }}
- name: TLS_CA_FILE
  value: /etc/outrider/tls/ca.crt
{{- end }}
{{- if contains "path: tls.crt" (include "clusterInfo.kafkaTlsItems" .) }}
- name: TLS_CERT_FILE
  value: /etc/outrider/tls/tls.crt
- name: TLS_KEY_FILE
  value: /etc/outrider/tls/tls.key
{{- end }}
{{- with $tls.serverName }}
- name: TLS_SERVER_NAME
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Files, so that a rotated password or certificate is read without a restart. */ -}}
{{- define "clusterInfo.kafkaMounts" -}}
{{- if .Values.externalKafka.sasl.enabled }}
- name: sasl
  mountPath: /etc/outrider/sasl
  readOnly: true
{{- end }}
{{- if include "clusterInfo.kafkaTlsItems" . }}
- name: tls
  mountPath: /etc/outrider/tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "clusterInfo.kafkaVolumes" -}}
{{- $sasl := .Values.externalKafka.sasl -}}
{{- if $sasl.enabled }}
- name: sasl
  secret:
    secretName: {{ $sasl.existingSecret | default (include "clusterInfo.kafkaSecretName" .) }}
    defaultMode: 0440
    items:
      - key: {{ ternary $sasl.passwordKey "sasl-password" (ne $sasl.existingSecret "") }}
        path: password
{{- end }}
{{- with (include "clusterInfo.kafkaTlsItems" .) }}
- name: tls
  secret:
    secretName: {{ $.Values.externalKafka.tls.existingSecret | default (include "clusterInfo.kafkaSecretName" $) }}
    defaultMode: 0440
    items:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- end }}

{{- /* `(dict "root" $ "pod" .Values.collector "component" "collector" "token" true)` */ -}}
{{- define "clusterInfo.podSettings" -}}
serviceAccountName: {{ include "clusterInfo.account" . }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with (include "clusterInfo.pullSecrets" .root) }}
{{- . }}
{{- end }}
{{- with (include "clusterInfo.placement" .pod) }}
{{- . }}
{{- end }}
{{- end }}

{{- define "clusterInfo.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- include "clusterInfo.texts" . | trim | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* `fsGroup` stands in the original's values here, where Kubernetes knows none: podSecurityContext has it. */ -}}
{{- define "clusterInfo.containerSecurity" -}}
securityContext:
  {{- toYaml (omit .Values.securityContext "fsGroup") | nindent 2 }}
{{- end }}

{{- /* `(dict "env" ... "pod" .Values.collector)`, and likewise `mounts`, `volumes`: ours, then those of the values. */ -}}
{{- define "clusterInfo.envOf" -}}
env:
  {{- .env | trim | nindent 2 }}
  {{- with .pod.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "clusterInfo.mountsOf" -}}
{{- if or (trim .mounts) .pod.extraVolumeMounts }}
volumeMounts:
  {{- with (trim .mounts) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .pod.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "clusterInfo.volumesOf" -}}
{{- if or (trim .volumes) .pod.extraVolumes }}
volumes:
  {{- with (trim .volumes) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .pod.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
