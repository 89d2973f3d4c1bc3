{{- define "clusterInfo.consumerEnv" -}}
{{- $config := .Values.config -}}
{{- $database := include "clusterInfo.database" . | fromYaml -}}
- name: CONSUMER_SERVER_PORT
  value: {{ .Values.consumer.server.port | quote }}
- name: DB_HOST
  value: {{ $database.host | quote }}
- name: DB_PORT
  value: {{ $database.port | quote }}
- name: DB_NAME
  value: {{ $database.name | quote }}
- name: DB_USER
  value: {{ $database.user | quote }}
- name: DB_PASSWORD_FILE
  value: /etc/outrider/database/password
- name: DB_SSL_MODE
  value: {{ $database.sslMode | quote }}
{{- if include "clusterInfo.databaseCaVolume" . }}
- name: DB_SSL_CA_FILE
  value: /etc/outrider/database-ca/ca.crt
{{- end }}
{{- /* Without tokens and without API_AUTH=none the API answers loopback addresses alone. */ -}}
{{- if $config.api.enabled }}
- name: API_ADDRESS
  value: {{ printf ":%v" $config.api.port | quote }}
- name: API_AUTH
  value: {{ $config.api.auth }}
{{- if eq $config.api.auth "tokens" }}
- name: API_TOKENS_FILE
  value: /etc/outrider/api/tokens
{{- end }}
{{- end }}
- name: RETENTION_ENABLED
  value: {{ $config.retention.enabled | quote }}
- name: RETENTION_MAX_AGE
  value: {{ $config.retention.maxAge | quote }}
- name: RETENTION_MAX_SNAPSHOTS
  value: {{ $config.retention.maxSnapshots | int | quote }}
- name: RETENTION_CLEANUP_INTERVAL
  value: {{ $config.retention.cleanupInterval | quote }}
- name: RETENTION_DELETE_BATCH_SIZE
  value: {{ $config.retention.deleteBatchSize | int | quote }}
{{ include "clusterInfo.kafkaEnv" . }}
{{- end }}

{{- define "clusterInfo.consumerMounts" -}}
- name: database
  mountPath: /etc/outrider/database
  readOnly: true
{{- if include "clusterInfo.databaseCaVolume" . }}
- name: database-ca
  mountPath: /etc/outrider/database-ca
  readOnly: true
{{- end }}
{{- if include "clusterInfo.tokensSecret" . }}
- name: api
  mountPath: /etc/outrider/api
  readOnly: true
{{- end }}
{{- include "clusterInfo.kafkaMounts" . }}
{{- end }}

{{- define "clusterInfo.tokensSecret" -}}
{{- $api := .Values.config.api -}}
{{- if and $api.enabled (eq $api.auth "tokens") }}{{ $api.existingSecret | default (include "clusterInfo.tokensName" .) }}{{ end -}}
{{- end }}

{{- define "clusterInfo.databaseCaVolume" -}}
{{- $tls := .Values.externalPostgresql.tls -}}
{{- if .Values.postgresql.enabled }}
{{- else if $tls.existingSecret }}
secret:
  secretName: {{ $tls.existingSecret }}
  defaultMode: 0440
  items:
    - { key: {{ $tls.caKey }}, path: ca.crt }
{{- else if $tls.ca }}
configMap:
  name: {{ include "clusterInfo.name" (dict "root" . "suffix" "database-ca") }}
{{- end }}
{{- end }}

{{- define "clusterInfo.consumerVolumes" -}}
{{- $database := include "clusterInfo.database" . | fromYaml -}}
- name: database
  secret:
    secretName: {{ $database.secret }}
    defaultMode: 0440
    items:
      - { key: {{ $database.passwordKey }}, path: password }
{{- with (include "clusterInfo.databaseCaVolume" . | trim) }}
- name: database-ca
  {{- . | nindent 2 }}
{{- end }}
{{- with (include "clusterInfo.tokensSecret" .) }}
- name: api
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - { key: {{ ternary $.Values.config.api.existingSecretTokensKey "tokens" (ne $.Values.config.api.existingSecret "") }}, path: tokens }
{{- end }}
{{- include "clusterInfo.kafkaVolumes" . }}
{{- end }}
