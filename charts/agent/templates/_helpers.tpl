{{- /*
`(dict "name" "client.id" "value" .Values.client.id)`: a text that may be a number, as --set makes one of
digits. Of a number in a file helm makes 1.2345678e+07, and nobody knows what stood there.
*/ -}}
{{- define "agent.text" -}}
{{- if kindIs "float64" .value -}}
{{- fail (printf "%s is a number, and helm does not keep the digits of a number in a file (now %v): quote it" .name .value) -}}
{{- end -}}
{{- if not (kindIs "invalid" .value) }}{{ .value | toString }}{{ end -}}
{{- end }}

{{- define "agent.labels" -}}
{{ include "agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "agent.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The release's name with an ending, as long as a Job's name may be. */ -}}
{{- define "agent.name" -}}
{{ printf "%s-%s" .release .suffix | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "agent.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "agent.image" -}}
{{- $tag := (include "agent.text" (dict "name" "image.tag" "value" .Values.image.tag)) | default .Chart.AppVersion -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository $tag }}
{{- end -}}
{{- end }}

{{- define "agent.secretName" -}}
{{ include "agent.name" (dict "release" .Release.Name "suffix" "kafka") }}
{{- end }}

{{- /* The keys of the chart's own Secret, if any. */ -}}
{{- define "agent.secretData" -}}
{{- $sasl := .Values.client.kafka.sasl -}}
{{- $tls := .Values.client.kafka.tls -}}
{{- if and $sasl.enabled (not $sasl.existingSecret) }}
sasl-username: {{ required "client.kafka.sasl.username is required when client.kafka.sasl.enabled, or existingSecret" (include "agent.text" (dict "name" "client.kafka.sasl.username" "value" .Values.client.kafka.sasl.username)) | quote }}
sasl-password: {{ required "client.kafka.sasl.password is required when client.kafka.sasl.enabled, or existingSecret" (include "agent.text" (dict "name" "client.kafka.sasl.password" "value" .Values.client.kafka.sasl.password)) | quote }}
{{- end }}
{{- if and $tls.enabled (not $tls.existingSecret) }}
{{- with $tls.ca }}
ca.crt: {{ . | quote }}
{{- end }}
{{- with $tls.certificate }}
tls.crt: {{ . | quote }}
tls.key: {{ required "client.kafka.tls.key is required with client.kafka.tls.certificate" $tls.key | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
`(dict "root" $ "pod" <settings of the pod>)`, as the templates below. `pod.optional`: the pod also starts
without the Secrets, and the agent says what is missing. `asksKubernetes`: it collects.
*/ -}}
{{- define "agent.env" -}}
{{- $optional := .pod.optional -}}
{{- with .root -}}
{{- $sasl := .Values.client.kafka.sasl -}}
{{- $tls := .Values.client.kafka.tls -}}
- name: CLIENT_ID
  value: {{ required "client.id is required: --set client.id=<this cluster's id>" (include "agent.text" (dict "name" "client.id" "value" .Values.client.id)) | quote }}
- name: CLUSTER_NAME
  value: {{ (include "agent.text" (dict "name" "cluster.name" "value" .Values.cluster.name)) | default (include "agent.text" (dict "name" "client.id" "value" .Values.client.id)) | quote }}
- name: CLUSTER_VERSION
  value: {{ (include "agent.text" (dict "name" "cluster.version" "value" .Values.cluster.version)) | default .Chart.AppVersion | quote }}
- name: NAMESPACE
  value: {{ .Release.Namespace | quote }}
- name: RELEASE_NAME
  value: {{ .Release.Name | quote }}
- name: HEARTBEAT_INTERVAL
  value: {{ .Values.heartbeat.interval | quote }}
- name: HOOK_TIMEOUT
  value: {{ printf "%vs" .Values.hooks.timeoutSeconds | quote }}
- name: PORT
  value: "8080"
- name: LOG_LEVEL
  value: {{ .Values.log.level | quote }}
- name: LOG_FORMAT
  value: json
- name: INSTALLATION_TOKEN_FILE
  value: /var/run/outrider/installation/token
- name: KAFKA_BROKERS
  value: {{ .Values.client.kafka.brokers | quote }}
{{- if $sasl.enabled }}
- name: SASL_ENABLED
  value: "true"
- name: SASL_MECHANISM
  value: {{ $sasl.mechanism | quote }}
- name: SASL_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ $sasl.existingSecret | default (include "agent.secretName" .) }}
      key: {{ ternary $sasl.usernameKey "sasl-username" (ne $sasl.existingSecret "") }}
      {{- if $optional }}
      optional: true
      {{- end }}
- name: SASL_PASSWORD_FILE
  value: /etc/outrider/sasl/password
{{- end }}
{{- if $tls.enabled }}
- name: TLS_ENABLED
  value: "true"
{{- if contains "path: ca.crt" (include "agent.tlsItems" .) }}
- name: TLS_CA_FILE
  value: /etc/outrider/tls/ca.crt
{{- end }}
{{- if contains "path: tls.crt" (include "agent.tlsItems" .) }}
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
{{- end }}

{{- /* Files, so that a rotated password or certificate is read without a restart. */ -}}
{{- define "agent.volumeMounts" -}}
- name: installation
  mountPath: /var/run/outrider/installation
  readOnly: true
{{- if .Values.client.kafka.sasl.enabled }}
- name: sasl
  mountPath: /etc/outrider/sasl
  readOnly: true
{{- end }}
{{- if include "agent.tlsItems" . }}
- name: tls
  mountPath: /etc/outrider/tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "agent.volumes" -}}
{{- $optional := .pod.optional -}}
{{- with .root -}}
{{- $sasl := .Values.client.kafka.sasl -}}
{{- $tls := .Values.client.kafka.tls -}}
# The uid of the ServiceAccount is the installation's id. No API server accepts a token for this audience.
- name: installation
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: { path: token, audience: outrider, expirationSeconds: 3600 }
{{- if $sasl.enabled }}
- name: sasl
  secret:
    secretName: {{ $sasl.existingSecret | default (include "agent.secretName" .) }}
    defaultMode: 0440
    {{- if $optional }}
    optional: true
    {{- end }}
    items:
      - key: {{ ternary $sasl.passwordKey "sasl-password" (ne $sasl.existingSecret "") }}
        path: password
{{- end }}
{{- with (include "agent.tlsItems" .) }}
- name: tls
  secret:
    secretName: {{ $tls.existingSecret | default (include "agent.secretName" $.root) }}
    defaultMode: 0440
    {{- if $optional }}
    optional: true
    {{- end }}
    items:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* TLS files; none if the system's authorities are enough. */ -}}
{{- define "agent.tlsItems" -}}
{{- with .Values.client.kafka.tls }}
{{- if and .enabled .existingSecret }}
{{- with .caKey }}
- { key: {{ . }}, path: ca.crt }
{{- end }}
{{- if .certificateKey }}
- { key: {{ .certificateKey }}, path: tls.crt }
- { key: {{ required "client.kafka.tls.keyKey is required with certificateKey" .keyKey }}, path: tls.key }
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

{{- /* The settings of the Deployment's pod. */ -}}
{{- define "agent.pod" -}}
{{- with .Values -}}
{{- toYaml (dict "labels" .podLabels "annotations" .podAnnotations "resources" .resources "nodeSelector" .nodeSelector "tolerations" .tolerations "affinity" .affinity "priorityClassName" .priorityClassName "extraEnv" .extraEnv "extraVolumes" .extraVolumes "extraVolumeMounts" .extraVolumeMounts) }}
{{- end }}
{{- end }}

{{- /* The settings of the hooks' pods: they run where the Deployment's pod runs, unless `hooks` says otherwise; their resources are their own. */ -}}
{{- define "agent.hookPod" -}}
{{- $pod := fromYaml (include "agent.pod" .) -}}
{{- $hooks := .Values.hooks -}}
{{- range $name := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "extraEnv" "extraVolumes" "extraVolumeMounts" -}}
{{- if not (kindIs "invalid" (index $hooks $name)) -}}
{{- $_ := set $pod $name (index $hooks $name) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $pod "labels" (mergeOverwrite (dict) (.Values.podLabels | default dict) ($hooks.podLabels | default dict)) -}}
{{- $_ := set $pod "annotations" (mergeOverwrite (dict) (.Values.podAnnotations | default dict) ($hooks.podAnnotations | default dict)) -}}
{{- $_ := set $pod "resources" $hooks.resources -}}
{{- toYaml $pod }}
{{- end }}

{{- /* Takes `component` besides `root` and `pod`. A user's label never replaces one of ours. */ -}}
{{- define "agent.podLabels" -}}
{{- $ours := fromYaml (include "agent.labels" .root) -}}
{{- $_ := set $ours "app.kubernetes.io/component" .component -}}
{{- include "agent.texts" (mergeOverwrite (dict) (.pod.labels | default dict) $ours) }}
{{- end }}

{{- /* `--set podLabels.x=false` gives a boolean, and Kubernetes accepts only strings. */ -}}
{{- define "agent.texts" -}}
{{- range $name, $value := . }}
{{- /* Helm turns a large number from a file into 1e+06. */ -}}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}{{ $value = int64 $value }}{{ end }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- define "agent.podSettings" -}}
serviceAccountName: {{ include "agent.serviceAccount" .root }}
automountServiceAccountToken: {{ .asksKubernetes | default false }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.nodeSelector }}
nodeSelector:
  {{- include "agent.texts" . | trim | nindent 2 }}
{{- end }}
{{- with .pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- $volumes := include "agent.volumes" . -}}
{{- if or $volumes .pod.extraVolumes }}
volumes:
  {{- with $volumes }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with .pod.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "agent.containerSettings" -}}
image: {{ include "agent.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  {{- include "agent.env" . | trim | nindent 2 }}
  {{- if .asksKubernetes }}
  {{- include "agent.selectionEnv" .root.Values.collector | trim | nindent 2 }}
  {{- end }}
  {{- with .pod.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $mounts := include "agent.volumeMounts" .root -}}
{{- if or $mounts .pod.extraVolumeMounts }}
volumeMounts:
  {{- with $mounts }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with .pod.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
resources:
  {{- toYaml .pod.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- /*
A hook's Job. Each attempt ends by itself at HOOK_TIMEOUT; the Job's deadline is for what keeps a pod
from starting, and leaves room for every attempt: its timeout, its start, and the pause before it.
*/ -}}
{{- define "agent.hookJob" -}}
{{- $root := .root -}}
{{- $pod := fromYaml (include "agent.hookPod" $root) -}}
{{- $_ := set $pod "optional" .optional -}}
{{- $parts := dict "root" $root "pod" $pod "component" .name -}}
{{- $attempts := add1 $root.Values.hooks.backoffLimit | int -}}
{{- $pauses := 0 -}}
{{- range $n := until (int $root.Values.hooks.backoffLimit) }}{{ $pauses = add $pauses (mul 10 (int (index (list 1 2 4 8 16 32) $n))) }}{{ end -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "agent.name" (dict "release" $root.Release.Name "suffix" .name) }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "agent.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
spec:
  backoffLimit: {{ $root.Values.hooks.backoffLimit }}
  # helm removes a hook's Job when it succeeds, and never one that failed.
  ttlSecondsAfterFinished: {{ $root.Values.hooks.keepFailedSeconds }}
  activeDeadlineSeconds: {{ add (mul $attempts (add $root.Values.hooks.timeoutSeconds 30)) $pauses }}
  podFailurePolicy:
    rules:
      # 64: wrong configuration, 77: refused. Another attempt would end the same way.
      - action: FailJob
        onExitCodes:
          containerName: agent
          operator: In
          values: [64, 77]
  template:
    metadata:
      labels:
        {{- include "agent.podLabels" $parts | trim | nindent 8 }}
      {{- with $pod.annotations }}
      annotations:
        {{- include "agent.texts" . | trim | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      {{- include "agent.podSettings" $parts | nindent 6 }}
      containers:
        - name: agent
          args:
            {{- toYaml .args | nindent 12 }}
          {{- include "agent.containerSettings" $parts | nindent 10 }}
{{- end }}
