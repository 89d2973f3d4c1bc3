{{- /* `(dict "root" $ "name" <Secret> "key" ...)`: what the Secret has in the cluster; empty where helm cannot ask. */ -}}
{{- define "clusterInfo.kept" -}}
{{- $secret := lookup "v1" "Secret" .root.Release.Namespace .name | default dict -}}
{{- with (get (get $secret "data" | default dict) .key) }}{{ b64dec . }}{{ end -}}
{{- end }}

{{- define "clusterInfo.keptPassword" -}}
{{ include "clusterInfo.kept" (dict "root" . "name" (include "clusterInfo.databaseName" .) "key" "password") }}
{{- end }}

{{- define "clusterInfo.tokensName" -}}
{{ include "clusterInfo.name" (dict "root" . "suffix" "api-tokens") }}
{{- end }}

{{- define "clusterInfo.keptTokens" -}}
{{ include "clusterInfo.kept" (dict "root" . "name" (include "clusterInfo.tokensName" .) "key" "tokens") }}
{{- end }}

{{- define "clusterInfo.ownTokens" -}}
{{- $api := .Values.config.api -}}
{{- if and .Values.consumer.enabled $api.enabled (eq $api.auth "tokens") (not $api.existingSecret) }}true{{ end -}}
{{- end }}

{{- define "clusterInfo.databaseCa" -}}
{{- if and (not .Values.postgresql.enabled) (not .Values.externalPostgresql.tls.existingSecret) }}{{ .Values.externalPostgresql.tls.ca }}{{ end -}}
{{- end }}

{{- define "clusterInfo.kafkaSecretName" -}}
{{ include "clusterInfo.name" (dict "root" . "suffix" "kafka-login") }}
{{- end }}

{{- define "clusterInfo.kafkaSecretData" -}}
{{- $sasl := .Values.externalKafka.sasl -}}
{{- $tls := .Values.externalKafka.tls -}}
{{- if and $sasl.enabled (not $sasl.existingSecret) }}
sasl-username: {{ required "externalKafka.sasl.username is required when externalKafka.sasl.enabled, or existingSecret" (include "clusterInfo.text" (dict "name" "externalKafka.sasl.username" "value" $sasl.username)) | quote }}
sasl-password: {{ required "externalKafka.sasl.password is required when externalKafka.sasl.enabled, or existingSecret" (include "clusterInfo.text" (dict "name" "externalKafka.sasl.password" "value" $sasl.password)) | quote }}
{{- end }}
{{- if and $tls.enabled (not $tls.existingSecret) }}
{{- with $tls.ca }}
ca.crt: {{ . | quote }}
{{- end }}
{{- with $tls.certificate }}
tls.crt: {{ . | quote }}
tls.key: {{ required "externalKafka.tls.key is required with externalKafka.tls.certificate" $tls.key | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The files of TLS to Kafka; none where the authorities that come with the programs are enough. */ -}}
{{- define "clusterInfo.kafkaTlsItems" -}}
{{- with .Values.externalKafka.tls }}
{{- if and .enabled .existingSecret }}
{{- with .caKey }}
- { key: {{ . }}, path: ca.crt }
{{- end }}
{{- if .certificateKey }}
- { key: {{ .certificateKey }}, path: tls.crt }
- { key: {{ required "externalKafka.tls.keyKey is required with certificateKey" .keyKey }}, path: tls.key }
{{- end }}
{{- else if .enabled }}
{{- if .ca }}
- { key: ca.crt, path: ca.crt }
{{- end }}
{{- if .certificate }}
- { key: tls.crt, path: tls.crt }
- { key: tls.key, path: tls.key }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
