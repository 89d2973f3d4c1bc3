{{- /* What is collected, and the permissions that exactly this takes. All of them of `.Values.collector`. */ -}}

{{- /* By name: API group, and whether it lies in namespaces. */ -}}
{{- define "agent.kinds" -}}
deployments: { group: apps, plural: deployments, namespaced: true }
pods: { group: "", plural: pods, namespaced: true }
nodes: { group: "", plural: nodes, namespaced: false }
services: { group: "", plural: services, namespaced: true }
ingresses: { group: networking.k8s.io, plural: ingresses, namespaced: true }
configmaps: { group: "", plural: configmaps, namespaced: true }
persistent_volumes: { group: "", plural: persistentvolumes, namespaced: false }
persistent_volume_claims: { group: "", plural: persistentvolumeclaims, namespaced: true }
{{- if .secrets }}
secrets: { group: "", plural: secrets, namespaced: true }
{{- end }}
{{- if .events }}
events: { group: "", plural: events, namespaced: true }
{{- end }}
{{- end }}

{{- define "agent.selectionEnv" -}}
- name: COLLECT
  value: watch
- name: KAFKA_TOPIC
  value: {{ .topic | quote }}
- name: COLLECT_KINDS
  value: {{ keys (include "agent.kinds" . | fromYaml) | sortAlpha | join "," | quote }}
{{- with .customResources }}
{{- $all := list -}}
{{- range . }}
{{- $scope := ternary "" ":cluster" (ne .namespaced false) -}}
{{- $all = append $all (printf "%s.%s/%s%s=%s" .plural .group .version $scope (join "," .fields)) -}}
{{- end }}
- name: COLLECT_CUSTOM_RESOURCES
  value: {{ join ";" $all | quote }}
{{- end }}
{{- with .namespaces }}
- name: COLLECT_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .labelSelector }}
- name: COLLECT_LABEL_SELECTOR
  value: {{ . | quote }}
{{- end }}
{{- with .annotations }}
- name: COLLECT_ANNOTATIONS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{- /* `(dict "collector" .Values.collector "namespaced" (list true false))`: rules, by API group. */ -}}
{{- define "agent.rules" -}}
{{- $groups := dict -}}
{{- $kinds := concat (values (include "agent.kinds" .collector | fromYaml)) (.collector.customResources | default list) -}}
{{- range $kinds }}
{{- if has (ne .namespaced false) $.namespaced }}
{{- $_ := set $groups .group (append (get $groups .group | default list) .plural) -}}
{{- end }}
{{- end }}
{{- range $group, $plurals := $groups }}
- apiGroups: [{{ $group | quote }}]
  resources: [{{ sortAlpha $plurals | uniq | join ", " }}]
  verbs: [get, list, watch]
{{- end }}
{{- end }}
