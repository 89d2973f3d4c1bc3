{{- /*
What the values come to. The original has two or three spellings of some of them (its values file, its README, its
examples): each counts, and two that differ are refused.
*/ -}}

{{- /* Examples in the original's values file; beside an internal server they mean nothing. */ -}}
{{- define "clusterInfo.isExample" -}}
{{- if has . (list "kafka.example.com:9092" "postgres.example.com" "your-password") }}true{{ end -}}
{{- end }}

{{- /*
`(dict "name" "the topic" "given" (list (list "kafka.topic" .Values.kafka.topic) ...) "default" "cluster-info")`: the one
that is given. A spelling that says the default yields to one that says something else.
*/ -}}
{{- define "clusterInfo.oneOf" -}}
{{- $found := "" -}}
{{- $by := "" -}}
{{- range .given -}}
{{- $value := include "clusterInfo.text" (dict "name" (index . 0) "value" (index . 1)) -}}
{{- if and $value (ne $value $.default) -}}
{{- if and $found (ne $found $value) -}}
{{- fail (printf "%s is given twice, and differently: %s is %q, %s is %q. Leave one of them" $.name $by $found (index . 0) $value) -}}
{{- end -}}
{{- $found = $value -}}
{{- $by = index . 0 -}}
{{- end -}}
{{- end -}}
{{ $found | default .default }}
{{- end }}

{{- define "clusterInfo.topic" -}}
{{- $external := ternary "" .Values.externalKafka.topic .Values.kafka.enabled -}}
{{- include "clusterInfo.oneOf" (dict "name" "The topic" "default" "cluster-info" "given" (list
  (list "config.kafka.topic" .Values.config.kafka.topic)
  (list "kafka.topic" .Values.kafka.topic)
  (list "externalKafka.topic" $external))) -}}
{{- end }}

{{- define "clusterInfo.partitions" -}}
{{- include "clusterInfo.oneOf" (dict "name" "The number of partitions" "default" "3" "given" (list
  (list "kafka.numPartitions" (.Values.kafka.numPartitions | int | toString | trimPrefix "0"))
  (list "kafka.partitions" (.Values.kafka.partitions | int | toString | trimPrefix "0")))) -}}
{{- end }}

{{- /* The external brokers; empty where a Secret has them. */ -}}
{{- define "clusterInfo.externalBrokers" -}}
{{- $own := .Values.externalKafka.brokers -}}
{{- if and (include "clusterInfo.isExample" $own) (or .Values.kafka.external.brokers .Values.kafka.brokers .Values.externalKafka.existingSecret) -}}
{{- $own = "" -}}
{{- end -}}
{{- include "clusterInfo.oneOf" (dict "name" "The external Kafka" "default" "" "given" (list
  (list "externalKafka.brokers" $own)
  (list "kafka.external.brokers" .Values.kafka.external.brokers)
  (list "kafka.brokers" .Values.kafka.brokers))) -}}
{{- end }}

{{- define "clusterInfo.kafkaName" -}}
{{ include "clusterInfo.name" (dict "root" . "suffix" "kafka") }}
{{- end }}

{{- define "clusterInfo.internalBrokers" -}}
{{- $name := include "clusterInfo.kafkaName" . -}}
{{- $brokers := list -}}
{{- range $i := until (int .Values.kafka.replicaCount) -}}
{{- $brokers = append $brokers (printf "%s-%d.%s.%s.svc:9092" $name $i $name $.Release.Namespace) -}}
{{- end -}}
{{ join "," $brokers }}
{{- end }}

{{- define "clusterInfo.databaseName" -}}
{{ include "clusterInfo.name" (dict "root" . "suffix" "postgresql") }}
{{- end }}

{{- /* Another name than the internal one's: going from one to the other must not write over a password that is kept. */ -}}
{{- define "clusterInfo.externalSecretName" -}}
{{ include "clusterInfo.name" (dict "root" . "suffix" "database") }}
{{- end }}

{{- /* YAML: host, port, name, user, sslMode, secret, passwordKey. */ -}}
{{- define "clusterInfo.database" -}}
{{- if .Values.postgresql.enabled -}}
{{- $auth := .Values.postgresql.auth -}}
host: {{ printf "%s.%s.svc" (include "clusterInfo.databaseName" .) .Release.Namespace }}
port: "5432"
name: {{ include "clusterInfo.text" (dict "name" "postgresql.auth.database" "value" $auth.database) | quote }}
user: {{ include "clusterInfo.text" (dict "name" "postgresql.auth.username" "value" $auth.username) | quote }}
sslMode: disable
secret: {{ $auth.existingSecret | default (include "clusterInfo.databaseName" .) }}
passwordKey: {{ ternary $auth.existingSecretPasswordKey "password" (ne $auth.existingSecret "") }}
{{- else -}}
{{- $external := .Values.externalPostgresql -}}
{{- $alias := .Values.database -}}
{{- $host := ternary "" $external.host (and (ne ($alias.host | default "") "") (ne (include "clusterInfo.isExample" $external.host) "")) -}}
{{- $given := dict
  "host" (list (list "externalPostgresql.host" $host) (list "database.host" $alias.host))
  "port" (list (list "externalPostgresql.port" ($external.port | toString)) (list "database.port" ($alias.port | int | toString | trimPrefix "0")))
  "name" (list (list "externalPostgresql.database" $external.database) (list "database.database" $alias.database) (list "database.name" $alias.name))
  "user" (list (list "externalPostgresql.username" $external.username) (list "database.username" $alias.username) (list "database.user" $alias.user))
  "sslMode" (list (list "config.database.sslMode" .Values.config.database.sslMode) (list "database.sslmode" $alias.sslmode) (list "database.sslMode" $alias.sslMode)) -}}
{{- $defaults := dict "host" "" "port" "5432" "name" "clusterinfo" "user" "clusterinfo" "sslMode" "prefer" -}}
{{- range $field, $spellings := $given }}
{{ $field }}: {{ include "clusterInfo.oneOf" (dict "name" (printf "The database's %s" $field) "given" $spellings "default" (get $defaults $field)) | quote }}
{{- end }}
secret: {{ $external.existingSecret | default (include "clusterInfo.externalSecretName" .) }}
passwordKey: {{ ternary $external.existingSecretPasswordKey "password" (ne $external.existingSecret "") }}
{{- end -}}
{{- end }}

{{- /* Of the external database, where no Secret of one's own has it. */ -}}
{{- define "clusterInfo.externalPassword" -}}
{{- $external := .Values.externalPostgresql -}}
{{- $own := ternary "" $external.password (and (ne (include "clusterInfo.isExample" ($external.password | toString)) "") (ne ($.Values.database.password | default "" | toString) "")) -}}
{{- include "clusterInfo.oneOf" (dict "name" "The database's password" "default" "" "given" (list
  (list "externalPostgresql.password" $own)
  (list "database.password" .Values.database.password))) -}}
{{- end }}

{{- /*
Which cluster this is. The inside of one release needs no name that is known outside of it; what is shared with other
clusters does: there it is the uid of kube-system, which helm asks for, and which `helm template` cannot.
*/ -}}
{{- define "clusterInfo.clientId" -}}
{{- $given := include "clusterInfo.text" (dict "name" "client.id" "value" .Values.client.id) -}}
{{- if $given -}}
{{ $given }}
{{- else if and .Values.kafka.enabled .Values.postgresql.enabled -}}
{{ printf "%s.%s" .Release.Namespace .Release.Name }}
{{- else -}}
{{- $system := lookup "v1" "Namespace" "" "kube-system" -}}
{{- required "client.id is required where helm cannot ask the cluster for its own (helm template, Argo CD, --dry-run=client) and Kafka or the database is shared with others: --set client.id=<a name that no other cluster has>" (dig "metadata" "uid" "" ($system | default dict)) -}}
{{- end -}}
{{- end }}

{{- /*
A consumer without a partition idles: HPA never goes beyond them. `(dict "root" $ "wanted" <number>)`.
*/ -}}
{{- define "clusterInfo.capped" -}}
{{ min (int .wanted) (include "clusterInfo.partitions" .root | int) }}
{{- end }}

{{- define "clusterInfo.replicaCount" -}}
{{- include "clusterInfo.oneOf" (dict "name" "The number of consumers" "default" "2" "given" (list
  (list "consumer.replicaCount" (.Values.consumer.replicaCount | int | toString))
  (list "consumer.replicas" (ternary "" (.Values.consumer.replicas | int | toString) (kindIs "invalid" .Values.consumer.replicas))))) -}}
{{- end }}

{{- define "clusterInfo.consumersMin" -}}
{{- $scaling := .Values.consumer.autoscaling -}}
{{- if $scaling.enabled }}{{ include "clusterInfo.capped" (dict "root" . "wanted" $scaling.minReplicas) }}{{ else }}{{ include "clusterInfo.replicaCount" . }}{{ end -}}
{{- end }}
