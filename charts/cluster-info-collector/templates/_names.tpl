{{- /*
`(dict "name" "client.id" "value" .Values.client.id)`: a text that may be a number, as --set makes one of
digits. Of a number in a file helm makes 1.2345678e+07, and nobody knows what stood there.
*/ -}}
{{- define "clusterInfo.text" -}}
{{- if kindIs "float64" .value -}}
{{- fail (printf "%s is a number, and helm does not keep the digits of a number in a file (now %v): quote it" .name .value) -}}
{{- end -}}
{{- if not (kindIs "invalid" .value) }}{{ .value | toString }}{{ end -}}
{{- end }}

{{- /* `--set podLabels.x=false` gives a boolean, and Kubernetes takes strings alone. */ -}}
{{- define "clusterInfo.texts" -}}
{{- range $name, $value := . }}
{{- /* Of a number from a file helm makes 1e+06. */ -}}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}{{ $value = int64 $value }}{{ end }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- /* As the original names its objects; scripts of users know these names. */ -}}
{{- define "clusterInfo.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- /* `(dict "root" $ "suffix" "consumer")`: 52 characters at most, as a CronJob's name may have. */ -}}
{{- define "clusterInfo.name" -}}
{{- $room := sub 51 (len .suffix) | int -}}
{{ printf "%s-%s" (include "clusterInfo.fullname" .root | trunc $room | trimSuffix "-") .suffix }}
{{- end }}

{{- define "clusterInfo.labels" -}}
{{ include "clusterInfo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "clusterInfo.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* `(dict "root" $ "component" ... "labels" ...)`. No label of others takes the place of one of ours. */ -}}
{{- define "clusterInfo.podLabels" -}}
{{- $ours := fromYaml (include "clusterInfo.labels" .root) -}}
{{- $_ := set $ours "app.kubernetes.io/component" .component -}}
{{- include "clusterInfo.texts" (mergeOverwrite (dict) (.labels | default dict) $ours) }}
{{- end }}

{{- /* `(dict "root" $ "component" "consumer")`: only the collector's account may ask anything of Kubernetes. */ -}}
{{- define "clusterInfo.account" -}}
{{- $account := .root.Values.serviceAccount -}}
{{- if not $account.create -}}
{{ $account.name | default "default" }}
{{- else if eq .component "collector" -}}
{{ $account.name | default (include "clusterInfo.fullname" .root) }}
{{- else -}}
{{ include "clusterInfo.name" (dict "root" .root "suffix" .component) }}
{{- end -}}
{{- end }}

{{- /*
`(dict "root" $ "name" "image" "image" .Values.image "own" .Values.collector.image)`. `own` is the
original's second spelling of an image.
*/ -}}
{{- define "clusterInfo.image" -}}
{{- $image := mergeOverwrite (dict) .image (.own | default dict) -}}
{{- if has $image.repository (list "cluster-info-collector" "cluster-info-consumer") -}}
{{- fail (printf "%s.repository is %q, the original's program, which does not know this chart's arguments. Take the images out of the values, or name your copies of outrider-agent (image) and outrider-sidecar (consumerImage)" .name $image.repository) -}}
{{- end -}}
{{- if eq ($image.tag | toString) "latest" -}}
{{- fail (printf "%s.tag: \"latest\" is another program tomorrow, and a rollback would not bring back the old one. Name a version; empty is the chart's (%s)" .name .root.Chart.AppVersion) -}}
{{- end -}}
{{- $registry := .root.Values.global.imageRegistry | default $image.registry -}}
{{- $path := ternary (printf "%s/%s" $registry $image.repository) $image.repository (ne ($registry | default "") "") -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $path $image.digest }}
{{- else -}}
{{ printf "%s:%s" $path ((include "clusterInfo.text" (dict "name" (printf "%s.tag" .name) "value" $image.tag)) | default .root.Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{- /* Of a name, or of {name: ...}: charts take either. */ -}}
{{- define "clusterInfo.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ ternary . (get (ternary dict . (kindIs "string" .)) "name") (kindIs "string" .) }}
  {{- end }}
{{- end }}
{{- end }}
