{{- /*
The broker sidecar in somebody's Kafka StatefulSet: named templates for a chart that depends on this one
(charts/sidecar/examples/kafka is one that does). All of them take one dict, of which everything has a
default but `image`:

  image                "outrider-sidecar:0.1.0"
  port                 8080: of the sidecar's HTTP, in the pod's network
  kafkaPort            9092: of the listener that the sidecar asks
  replicas             1: how many brokers the StatefulSet has
  statefulSet          name of the StatefulSet; with `service` and `namespace` the other brokers' addresses
  service              its headless Service
  namespace
  native               true: a native sidecar (for initContainers), which outlives Kafka in every shutdown
  drainSeconds         120: how long a stopping broker waits until stopping is safe
  shutdownSeconds      60: what Kafka's own controlled shutdown then has
  user                 that of Kafka's image, such as 1000: another user's files in /proc are closed, and
                       with them Kafka's memory
  env                  more variables, a list
  volumeMounts         of the sidecar, a list
  resources            the sidecar's; requests and limits of 100m and 128Mi

In the pod's template:

  spec:
    {{- include "outrider.broker.pod" $sidecar | nindent 4 }}
    initContainers:
      {{- include "outrider.broker.container" $sidecar | nindent 6 }}
    containers:
      - name: kafka
        {{- include "outrider.broker.kafka" $sidecar | nindent 8 }}
*/ -}}

{{- define "outrider.broker.container" -}}
{{- $port := .port | default 8080 | int -}}
{{- $kafkaPort := .kafkaPort | default 9092 | int -}}
{{- $native := not (and (hasKey . "native") (not .native)) -}}
- name: kafka-sidecar
  image: {{ required "image is required" .image }}
  imagePullPolicy: {{ .imagePullPolicy | default "IfNotPresent" }}
  args: [broker]
  {{- if $native }}
  # Started before Kafka and stopped after it, so that it can answer Kafka's preStop.
  restartPolicy: Always
  {{- end }}
  env:
    - name: PORT
      value: {{ $port | quote }}
    - name: KAFKA_PORT
      value: {{ $kafkaPort | quote }}
    - name: REPLICA_COUNT
      value: {{ .replicas | default 1 | quote }}
    {{- if and .statefulSet .service .namespace }}
    {{- $addresses := list -}}
    {{- range $i := until (int (.replicas | default 1)) }}
    {{- $addresses = append $addresses (printf "%s-%d.%s.%s.svc:%d" $.statefulSet $i $.service $.namespace $kafkaPort) -}}
    {{- end }}
    - name: BOOTSTRAP_SERVERS
      value: {{ join "," $addresses | quote }}
    {{- end }}
    {{- with .env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - { name: health, containerPort: {{ $port }}, protocol: TCP }
  # About the sidecar itself; the probes about Kafka are on Kafka's container.
  startupProbe:
    httpGet: { path: /about, port: health }
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet: { path: /about, port: health }
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  {{- with .volumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- if .resources }}
    {{- toYaml .resources | nindent 4 }}
    {{- else }}
    requests: { cpu: 100m, memory: 128Mi }
    limits: { cpu: 100m, memory: 128Mi }
    {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- with .user }}
    runAsUser: {{ . }}
    {{- end }}
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: { drop: [ALL] }
    seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- /*
For the pod: the sidecar sees Kafka's process, for its memory; the grace period covers the drain, Kafka's own
end and the sidecar's; a Service named kafka puts no KAFKA_PORT=tcp://... into the containers.
*/ -}}
{{- define "outrider.broker.pod" -}}
shareProcessNamespace: true
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add (.drainSeconds | default 120) (.shutdownSeconds | default 60) 30 }}
{{- end }}

{{- /*
For Kafka's container. preStop is here because the containers' hooks run concurrently: on the sidecar's own
container it would not delay Kafka's stop. Failure thresholds outlast a restart of the sidecar.
*/ -}}
{{- define "outrider.broker.kafka" -}}
{{- $port := .port | default 8080 | int -}}
startupProbe:
  httpGet: { path: /health/startup, port: {{ $port }} }
  periodSeconds: 5
  timeoutSeconds: 5
  # An hour: a restart during a long log recovery would only begin it again.
  failureThreshold: 720
livenessProbe:
  httpGet: { path: /health/live, port: {{ $port }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /health/ready, port: {{ $port }} }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
lifecycle:
  preStop:
    httpGet: { path: "/drain?timeout={{ .drainSeconds | default 120 }}s", port: {{ $port }} }
{{- end }}
