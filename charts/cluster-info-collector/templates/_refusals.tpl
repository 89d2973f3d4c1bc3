{{- /* What the original's chart takes and this one cannot do: a sentence each, at install, with what to use instead. */ -}}

{{- define "clusterInfo.refusals" -}}
{{- include "clusterInfo.refuseFeatures" . -}}
{{- include "clusterInfo.refuseSpellings" . -}}
{{- include "clusterInfo.refuseKafka" . -}}
{{- include "clusterInfo.refuseDatabase" . -}}
{{- include "clusterInfo.refuseWorkloads" . -}}
{{- end }}

{{- define "clusterInfo.refuseFeatures" -}}
{{- $config := .Values.config -}}
{{- if dig "enabled" false (.Values.kafkaUI | default dict) }}
{{- fail "kafkaUI.enabled: there is no Kafka UI in this chart. Install one of its own, such as the chart of kafbat's kafka-ui, with the brokers that the notes of this release name" }}
{{- end }}
{{- if or (dig "enabled" false ($config.alerting | default dict)) (dig "enabled" false (.Values.alerting | default dict)) }}
{{- fail "config.alerting.enabled: nothing is posted to an Alertmanager. Set monitoring.prometheusRule.enabled=true: Prometheus evaluates the alerts and sends them to the Alertmanager that it knows" }}
{{- end }}
{{- if or (dig "enabled" false ($config.streaming | default dict)) (dig "enabled" false (.Values.streaming | default dict)) }}
{{- fail "config.streaming.enabled: there is no WebSocket stream. Read the topic by a consumer group of your own (docs/collector.md has the records), or ask the REST API for ?as_of and /diff" }}
{{- end }}
{{- if eq (dig "enabled" true $config.kafka) false }}
{{- fail "config.kafka.enabled=false: the collector does not write to PostgreSQL itself. Leave it true; kafka.enabled=true brings a Kafka of this release" }}
{{- end }}
{{- if ne (dig "partition" 0 $config.kafka | int) 0 }}
{{- fail "config.kafka.partition: a cluster's partition follows from its client id, and cannot be chosen. Leave it out" }}
{{- end }}
{{- if ne ($config.api.prefix | trimSuffix "/") "/api/v1" }}
{{- fail (printf "config.api.prefix is %q: the API's paths begin with /api/v1. Leave it, and let the Ingress rewrite the path where it must be another one" $config.api.prefix) }}
{{- end }}
{{- if eq (dig "enabled" true $config.metrics) false }}
{{- fail "config.metrics.enabled=false: metrics share the port of the health checks, and are always there. Leave it true; nothing scrapes them unless monitoring.serviceMonitor.enabled" }}
{{- end }}
{{- if eq (dig "enabled" true .Values.consumer.server) false }}
{{- fail "consumer.server.enabled=false: the kubelet's probes ask the consumer on consumer.server.port. Leave it true" }}
{{- end }}
{{- end }}

{{- /* Keys of the original's examples that its chart itself ignored. */ -}}
{{- define "clusterInfo.refuseSpellings" -}}
{{- range $name := list "api" "metrics" "retention" }}
{{- if hasKey $.Values $name }}
{{- fail (printf "%s: the key is config.%s" $name $name) }}
{{- end }}
{{- end }}
{{- range $name := list "alerting" "streaming" }}
{{- with omit (get $.Values $name | default dict) "enabled" }}
{{- fail (printf "%s: there is no such feature (config.%s.enabled says why). Take it out" $name $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "clusterInfo.refuseKafka" -}}
{{- $kafka := .Values.kafka -}}
{{- $external := .Values.externalKafka -}}
{{- if $kafka.enabled }}
{{- if or $kafka.external.enabled $kafka.external.brokers $kafka.brokers $external.existingSecret (and $external.brokers (not (include "clusterInfo.isExample" $external.brokers))) }}
{{- fail "kafka.enabled is true and brokers of an external Kafka are given: one of the two. Set kafka.enabled=false to use the external one" }}
{{- end }}
{{- if or $external.sasl.enabled $external.tls.enabled }}
{{- fail "externalKafka.sasl and externalKafka.tls are for an external Kafka: the one of this release has neither. Set kafka.enabled=false and name the brokers" }}
{{- end }}
{{- if or (ne ($kafka.mode | default "kraft") "kraft") (eq (dig "kraft" "enabled" true $kafka) false) (dig "zookeeper" "enabled" false $kafka) }}
{{- fail "kafka.mode, kafka.kraft.enabled and kafka.zookeeper.enabled: Kafka has no ZooKeeper since 4.0, and this one runs in KRaft mode. Take them out, or use a Kafka of your own by kafka.enabled=false" }}
{{- end }}
{{- if semverCompare "<1.28.0-0" .Capabilities.KubeVersion.Version }}
{{- fail (printf "kafka.enabled: this release's Kafka numbers its nodes by a label that Kubernetes has since 1.28, and this is %s. Use a Kafka of your own (kafka.enabled=false)" .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- if eq (mod (int $kafka.replicaCount) 2) 0 }}
{{- fail (printf "kafka.replicaCount is %v: an even number of brokers bears the loss of no more of them than one less. Set 1 or 3" $kafka.replicaCount) }}
{{- end }}
{{- if gt (include "clusterInfo.replication" . | int) (int $kafka.replicaCount) }}
{{- fail (printf "kafka.replicationFactor is %v, and kafka.replicaCount %v: a replica needs a broker of its own" $kafka.replicationFactor $kafka.replicaCount) }}
{{- end }}
{{- include "clusterInfo.refuseResize" . }}
{{- else if and (not (include "clusterInfo.externalBrokers" .)) (not $external.existingSecret) }}
{{- fail "kafka.enabled is false and no external Kafka is given: set externalKafka.brokers (or kafka.external.brokers) to host:port,..., or externalKafka.existingSecret" }}
{{- else if and (include "clusterInfo.externalBrokers" .) $external.existingSecret }}
{{- fail "externalKafka.existingSecret has the brokers, and they are given as a value too: leave one of them out" }}
{{- end }}
{{- end }}

{{- define "clusterInfo.replication" -}}
{{- if kindIs "invalid" .Values.kafka.replicationFactor }}{{ min 3 (int .Values.kafka.replicaCount) }}{{ else }}{{ int .Values.kafka.replicationFactor }}{{ end -}}
{{- end }}

{{- /* The voters of the quorum are written into every node's settings, and its volumes know the old ones. */ -}}
{{- define "clusterInfo.refuseResize" -}}
{{- $there := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "clusterInfo.kafkaName" .) | default dict -}}
{{- $replicas := dig "spec" "replicas" 0 $there | int -}}
{{- if and (gt $replicas 0) (ne $replicas (int .Values.kafka.replicaCount)) }}
{{- fail (printf "kafka.replicaCount is %v, and this release's Kafka has %d: the number of brokers stays for the life of their volumes. For more, use a Kafka of your own (kafka.enabled=false)" .Values.kafka.replicaCount $replicas) }}
{{- end }}
{{- end }}

{{- define "clusterInfo.refuseDatabase" -}}
{{- $external := .Values.externalPostgresql -}}
{{- if .Values.postgresql.enabled }}
{{- if or .Values.database.host .Values.database.password $external.existingSecret (and $external.host (not (include "clusterInfo.isExample" $external.host))) }}
{{- fail "postgresql.enabled is true and an external database is given: one of the two. Set postgresql.enabled=false to use the external one" }}
{{- end }}
{{- if not (has (.Values.config.database.sslMode | default "disable") (list "disable" "allow" "prefer")) }}
{{- fail (printf "config.database.sslMode is %q, and this release's PostgreSQL has no TLS: leave it empty, or use a database of your own (postgresql.enabled=false)" .Values.config.database.sslMode) }}
{{- end }}
{{- include "clusterInfo.refusePassword" . }}
{{- else if .Values.consumer.enabled }}
{{- if not (include "clusterInfo.database" . | fromYaml).host }}
{{- fail "postgresql.enabled is false and no external database is given: set externalPostgresql.host (or database.host)" }}
{{- end }}
{{- if and (not $external.existingSecret) (not (include "clusterInfo.externalPassword" .)) }}
{{- fail "The external database's password is missing: set externalPostgresql.existingSecret (better), externalPostgresql.password or database.password" }}
{{- end }}
{{- if and $external.existingSecret (include "clusterInfo.externalPassword" .) (not (include "clusterInfo.isExample" (include "clusterInfo.externalPassword" .))) }}
{{- fail "externalPostgresql.existingSecret has the password, and it is given as a value too: leave one of them out" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* PostgreSQL takes POSTGRES_PASSWORD over when its volume is new. A later one would only lock the consumer out. */ -}}
{{- define "clusterInfo.refusePassword" -}}
{{- $given := include "clusterInfo.text" (dict "name" "postgresql.auth.password" "value" .Values.postgresql.auth.password) -}}
{{- $kept := include "clusterInfo.keptPassword" . -}}
{{- if and $given $kept (ne $given $kept) }}
{{- $name := include "clusterInfo.databaseName" . -}}
{{- fail (printf "postgresql.auth.password differs from the one that PostgreSQL has (Secret %s), and changing the value does not change it there. ALTER ROLE in the database first, put the new one into that Secret, then upgrade" $name) }}
{{- end }}
{{- end }}

{{- define "clusterInfo.refuseWorkloads" -}}
{{- if and (eq .Values.collector.mode "deployment") (ne (int .Values.collector.replicaCount) 1) }}
{{- fail (printf "collector.replicaCount is %v: one agent speaks for a cluster, and of two each would take over from the other without end. Set it to 1; Kubernetes starts it again where it fails" .Values.collector.replicaCount) }}
{{- end }}
{{- with .Values.consumer.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "consumer.autoscaling.minReplicas is %v, and maxReplicas %v: the minimum is the greater one" .minReplicas .maxReplicas) }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not (and .Values.config.api.enabled .Values.consumer.enabled)) }}
{{- fail "ingress.enabled needs consumer.enabled and config.api.enabled: the REST API is what it leads to" }}
{{- end }}
{{- if and .Values.config.api.enabled (eq (int .Values.config.api.port) (int .Values.consumer.server.port)) }}
{{- fail (printf "config.api.port and consumer.server.port are both %v: the consumer listens on both. Change one of them" .Values.config.api.port) }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled is true and ingress.hosts is empty: an Ingress without a host would answer for every name of the controller. Set ingress.hosts[0].host" }}
{{- end }}
{{- end }}
