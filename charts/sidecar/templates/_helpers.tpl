{{- /*
`(dict "name" "client.id" "value" .Values.client.id)`: a text that may be a number, as --set makes one of
digits. Of a number in a file helm makes 1.2345678e+07, and nobody knows what stood there.
*/ -}}
{{- define "outrider.text" -}}
{{- if kindIs "float64" .value -}}
{{- fail (printf "%s is a number, and helm does not keep the digits of a number in a file (now %v): quote it" .name .value) -}}
{{- end -}}
{{- if not (kindIs "invalid" .value) }}{{ .value | toString }}{{ end -}}
{{- end }}

{{- /* Seconds of a Go duration such as 1h30m. */ -}}
{{- define "outrider.milliseconds" -}}
{{- $units := dict "ms" 1.0 "s" 1000.0 "m" 60000.0 "h" 3600000.0 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9]+([.][0-9]+)?(ms|s|m|h)" . -1 -}}
{{- $number := regexFind "[0-9]+([.][0-9]+)?" . | float64 -}}
{{- $sum = addf $sum (mulf $number (index $units (regexFind "(ms|s|m|h)$" .))) -}}
{{- end -}}
{{ $sum | int64 }}
{{- end }}

{{- define "outrider.labels" -}}
{{ include "outrider.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "outrider.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* `(dict "release" .Release.Name "suffix" "kafka")`: as long as any name may be. */ -}}
{{- define "outrider.name" -}}
{{ printf "%s-%s" .release .suffix | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "outrider.controlPlaneName" -}}
{{ include "outrider.name" (dict "release" .Release.Name "suffix" "control-plane") }}
{{- end }}

{{- define "outrider.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "outrider.controlPlaneName" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "outrider.workerNamespace" -}}
{{ .Values.workers.namespace | default .Release.Namespace }}
{{- end }}

{{- define "outrider.workerServiceAccount" -}}
{{- if .Values.workers.serviceAccount.create -}}
{{ .Values.workers.serviceAccount.name | default (include "outrider.name" (dict "release" .Release.Name "suffix" "worker")) }}
{{- else -}}
{{ .Values.workers.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- /* `(dict "image" .Values.image "version" .Chart.AppVersion)` */ -}}
{{- define "outrider.image" -}}
{{- if .image.digest -}}
{{ printf "%s@%s" .image.repository .image.digest }}
{{- else -}}
{{ printf "%s:%s" .image.repository ((include "outrider.text" (dict "name" "image.tag" "value" .image.tag)) | default .version) }}
{{- end -}}
{{- end }}

{{- define "outrider.secretName" -}}
{{ include "outrider.name" (dict "release" .Release.Name "suffix" "control-plane") }}
{{- end }}

{{- /* The Secret of the workers' secret variables, if the control plane does not supply them. */ -}}
{{- define "outrider.workerSecret" -}}
{{- if eq .Values.runtime "kubernetes" }}{{ .Values.workers.existingSecret }}{{ end }}
{{- end }}

{{- define "outrider.dockerSecret" -}}
{{- if eq .Values.runtime "docker" }}{{ .Values.docker.tls.existingSecret }}{{ end }}
{{- end }}

{{- define "outrider.secretData" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- $tls := .Values.kafka.tls -}}
{{- if and $sasl.enabled (not $sasl.existingSecret) }}
sasl-username: {{ required "kafka.sasl.username is required when kafka.sasl.enabled, or existingSecret" (include "outrider.text" (dict "name" "kafka.sasl.username" "value" .Values.kafka.sasl.username)) | quote }}
sasl-password: {{ required "kafka.sasl.password is required when kafka.sasl.enabled, or existingSecret" (include "outrider.text" (dict "name" "kafka.sasl.password" "value" .Values.kafka.sasl.password)) | quote }}
{{- end }}
{{- if and $tls.enabled (not $tls.existingSecret) }}
{{- with $tls.ca }}
ca.crt: {{ . | quote }}
{{- end }}
{{- with $tls.certificate }}
tls.crt: {{ . | quote }}
tls.key: {{ required "kafka.tls.key is required with kafka.tls.certificate" $tls.key | quote }}
{{- end }}
{{- end }}
{{- if not (or .Values.neo4j.existingSecret (include "outrider.workerSecret" .)) }}
neo4j-password: {{ (include "outrider.text" (dict "name" "neo4j.password" "value" .Values.neo4j.password)) | quote }}
{{- end }}
{{- if and .Values.workers.env (not .Values.workers.existingEnvSecret) }}
worker.env: {{ include "outrider.workerEnvFile" . | trim | quote }}
{{- end }}
{{- if and .Values.workers.tls.ca (not .Values.workers.tls.existingSecret) }}
worker-ca.crt: {{ .Values.workers.tls.ca | quote }}
{{- end }}
{{- end }}

{{- /* TLS files; none if the authorities that come with the program are enough. */ -}}
{{- define "outrider.tlsItems" -}}
{{- with .Values.kafka.tls }}
{{- if and .enabled .existingSecret }}
{{- with .caKey }}
- { key: {{ . }}, path: ca.crt }
{{- end }}
{{- if .certificateKey }}
- { key: {{ .certificateKey }}, path: tls.crt }
- { key: {{ required "kafka.tls.keyKey is required with certificateKey" .keyKey }}, path: tls.key }
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

{{- define "outrider.kafkaEnv" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- $tls := .Values.kafka.tls -}}
- name: KAFKA_BROKERS
  value: {{ .Values.kafka.brokers | quote }}
{{- with (include "outrider.text" (dict "name" "controlPlane.fleet" "value" .Values.controlPlane.fleet)) }}
- name: FLEET
  value: {{ . | quote }}
{{- end }}
{{- with .Values.controlPlane.fleetAliases }}
- name: FLEET_ALIASES
  value: {{ join "," . | quote }}
{{- end }}
- name: LOG_LEVEL
  value: {{ .Values.controlPlane.log.level | quote }}
- name: LOG_FORMAT
  value: json
{{- if $sasl.enabled }}
- name: SASL_ENABLED
  value: "true"
- name: SASL_MECHANISM
  value: {{ $sasl.mechanism | quote }}
- name: SASL_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ $sasl.existingSecret | default (include "outrider.secretName" .) }}
      key: {{ ternary $sasl.usernameKey "sasl-username" (ne $sasl.existingSecret "") }}
- name: SASL_PASSWORD_FILE
  value: /etc/outrider/sasl/password
{{- end }}
{{- if $tls.enabled }}
- name: TLS_ENABLED
  value: "true"
{{- if contains "path: ca.crt" (include "outrider.tlsItems" .) }}
- name: TLS_CA_FILE
  value: /etc/outrider/tls/ca.crt
{{- end }}
{{- if contains "path: tls.crt" (include "outrider.tlsItems" .) }}
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
{{- define "outrider.kafkaMounts" -}}
{{- if .Values.kafka.sasl.enabled }}
- name: sasl
  mountPath: /etc/outrider/sasl
  readOnly: true
{{- end }}
{{- if include "outrider.tlsItems" . }}
- name: tls
  mountPath: /etc/outrider/tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "outrider.kafkaVolumes" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- if $sasl.enabled }}
- name: sasl
  secret:
    secretName: {{ $sasl.existingSecret | default (include "outrider.secretName" .) }}
    defaultMode: 0440
    items:
      - key: {{ ternary $sasl.passwordKey "sasl-password" (ne $sasl.existingSecret "") }}
        path: password
{{- end }}
{{- with (include "outrider.tlsItems" .) }}
- name: tls
  secret:
    secretName: {{ $.Values.kafka.tls.existingSecret | default (include "outrider.secretName" $) }}
    defaultMode: 0440
    items:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- end }}

{{- define "outrider.podSettings" -}}
serviceAccountName: {{ include "outrider.serviceAccount" . }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* `--set podLabels.x=false` gives a boolean, and Kubernetes accepts only strings. */ -}}
{{- define "outrider.texts" -}}
{{- range $name, $value := . }}
{{- /* Helm turns a large number from a file into 1e+06. */ -}}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}{{ $value = int64 $value }}{{ end }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- /* `(dict "root" $ "component" ... "labels" ...)`. A user's label never replaces one of ours. */ -}}
{{- define "outrider.podLabels" -}}
{{- $ours := fromYaml (include "outrider.labels" .root) -}}
{{- $_ := set $ours "app.kubernetes.io/component" .component -}}
{{- include "outrider.texts" (mergeOverwrite (dict) (.labels | default dict) $ours) }}
{{- end }}

{{- /* `(dict "pod" <values of a pod> "otherwise" <those for what is null>)`: on which nodes a pod may run. */ -}}
{{- define "outrider.placement" -}}
{{- range $name := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- $value := index $.pod $name }}
{{- if kindIs "invalid" $value }}{{ $value = index $.otherwise $name }}{{ end }}
{{- if and $value (eq $name "nodeSelector") }}
nodeSelector:
  {{- include "outrider.texts" $value | trim | nindent 2 }}
{{- else if $value }}
{{ toYaml (dict $name $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "outrider.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}
