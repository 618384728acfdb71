{{- /* Names and labels. */ -}}

{{- define "wakeline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- else if contains "wakeline" .Release.Name -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-wakeline" .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What selects every pod of this release. */ -}}
{{- define "wakeline.selector" -}}
app.kubernetes.io/name: wakeline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wakeline.labels" -}}
{{ include "wakeline.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* of: (dict "root" $ "name" "review") -> registry/wakeline-review:0.1.0 */ -}}
{{- define "wakeline.image" -}}
{{- $image := .root.Values.image -}}
{{- $path := printf "%s-%s" $image.repository .name -}}
{{- $name := empty $image.registry | ternary $path (printf "%s/%s" $image.registry $path) -}}
{{- with get $image.digests .name -}}
{{- printf "%s@%s" $name . -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- /*
Every process of the release, as a JSON list of {service, kind, name, values, scales}. What a service has
stands in values.yaml: ingest takes in no events, lineage sends none.
*/ -}}
{{- define "wakeline.processes" -}}
{{- $found := list -}}
{{- range $service, $of := .Values.services -}}
{{- range $kind := $.Values.split | ternary (list "serve" "consume" "relay" "run") (list "all") -}}
{{- if hasKey $of $kind -}}
{{- $values := mergeOverwrite (deepCopy $.Values.process) (deepCopy (get $of $kind)) -}}
{{- $name := printf "%s-%s-%s" (include "wakeline.fullname" $) $service $kind -}}
{{- /* A second relay only sends things twice. */ -}}
{{- $scales := and $values.autoscaling.enabled (ne $kind "relay") -}}
{{- $found = append $found (dict "service" $service "kind" $kind "name" $name "values" $values "scales" $scales) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* of: (dict "root" $ "service" s "kind" k); the labels that tell a process from all others */ -}}
{{- define "wakeline.process.selector" -}}
{{ include "wakeline.selector" .root }}
app.kubernetes.io/component: {{ .service }}
wakeline.io/process: {{ .kind }}
{{- end -}}

{{- /* Settings as environment. */ -}}

{{- /* of: (dict "prefix" "WAKELINE_REVIEW_" "values" {...}); camelCase becomes SNAKE_CASE, a group GROUP__ */ -}}
{{- define "wakeline.settings" -}}
{{- range $key, $value := .values -}}
{{- $name := printf "%s%s" $.prefix ($key | snakecase | upper) -}}
{{- if kindIs "map" $value -}}
{{- include "wakeline.settings" (dict "prefix" (printf "%s__" $name) "values" $value) -}}
{{- else if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: {{ $name }}
  value: {{ include "wakeline.scalar" $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Numbers of values.yaml are floats: 17179869184 must not become 1.7179869184e+10. */ -}}
{{- define "wakeline.scalar" -}}
{{- if kindIs "slice" . -}}{{ toJson . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}
{{- else -}}{{ toString . }}
{{- end -}}
{{- end -}}

{{- /* A quantity, "4Gi" say, in bytes. */ -}}
{{- define "wakeline.bytes" -}}
{{- $quantity := include "wakeline.scalar" . -}}
{{- $unit := regexFind "[A-Za-z]+$" $quantity -}}
{{- $factor := 1 -}}
{{- range $power, $letter := list "" "k" "m" "g" "t" "p" "e" -}}
{{- if and $unit (eq (lower $unit | trimSuffix "i") $letter) }}{{ range until $power }}{{ $factor = mul $factor (ternary 1024 1000 (hasSuffix "i" $unit)) }}{{ end }}{{ end -}}
{{- end -}}
{{- mulf (trimSuffix $unit $quantity | float64) $factor | int64 -}}
{{- end -}}

{{- /* Bytes in the smallest /tmp of a process of ingest that holds files; a sixteenth is left for what else lies there. */ -}}
{{- define "wakeline.scratch" -}}
{{- $least := 9223372036854775807 -}}
{{- range include "wakeline.processes" . | fromJsonArray -}}
{{- if and (eq .service "ingest") (ne .kind "relay") }}{{ $least = min $least (include "wakeline.bytes" .values.scratch | int64) }}{{ end -}}
{{- end -}}
{{- sub $least (div $least 16) -}}
{{- end -}}

{{- /* of: (dict "root" $ "service" s); the environment that s reads its settings from */ -}}
{{- define "wakeline.env" -}}
{{- $values := .root.Values -}}
{{- $stores := include "wakeline.stores" .root | fromJson -}}
{{- $prefix := printf "WAKELINE_%s_" (upper .service) -}}
{{- $settings := dict
  "http" (dict "host" "0.0.0.0" "port" 8080)
  "mongo" (dict "dsn" $stores.mongodb.dsn "database" (printf "%s%s" $values.mongodb.databasePrefix .service))
  "kafka" (pick $stores.kafka "bootstrap" "topicPrefix" "partitions" "replication" "securityProtocol" "saslMechanism")
  "blobs" (pick $stores.s3 "endpoint" "secure" "region" "prefix" "pathStyle")
  "auth" (pick $stores.auth "issuer" "audience" "jwks" "jwksUrl" "rolesClaim" "teamClaim")
  "telemetry" $values.telemetry
  "services" (include "wakeline.urls" .root)
-}}
{{- with $stores.auth.roles }}{{ $_ := set $settings.auth "roles" (toJson .) }}{{ end -}}
{{- if include "wakeline.kafka.sasl" .root }}{{ $_ := set $settings.kafka "username" ($stores.kafka.username | replace "SERVICE" .service) }}{{ end -}}
{{- if dig "secret" "certKey" "" $stores.kafka -}}
{{- $_ := set $settings.kafka "certFile" "/etc/wakeline/secrets/kafka.crt" }}{{ $_ := set $settings.kafka "keyFile" "/etc/wakeline/secrets/kafka.key" -}}
{{- end -}}
{{- range $group, $_ := include "wakeline.authorities" .root | fromJson -}}
{{- $_ := set (get $settings $group) "caFile" (printf "/etc/wakeline/ca/%s/ca.crt" $group) -}}
{{- end -}}
{{- $own := deepCopy (get $values.services .service).settings -}}
{{- if eq .service "ingest" }}{{ $_ := set $settings "scratchBytes" (include "wakeline.scratch" .root) }}{{ end -}}
{{- if eq .service "training" }}{{ $own = merge $own (include "wakeline.trainer" .root | fromJson) }}{{ end -}}
- name: WAKELINE_SECRETS_DIR
  value: /etc/wakeline/secrets
{{- include "wakeline.settings" (dict "prefix" $prefix "values" (merge $own $settings)) }}
{{- end -}}

{{- /*
of: (dict "root" $ "service" s); the keys of Secrets that s alone sees, as a JSON list of {path, name, key}:
each is a file of WAKELINE_SECRETS_DIR, called like the setting that it holds, or what a setting names.
*/ -}}
{{- define "wakeline.secrets" -}}
{{- $stores := include "wakeline.stores" .root | fromJson -}}
{{- $keys := list -}}
{{- with $stores.mongodb.secret -}}
{{- $dsn := ternary .dsnKey "" (empty $stores.mongodb.dsn) -}}
{{- $keys = append $keys (dict "of" .name "MONGO__DSN" $dsn "MONGO__USERNAME" .usernameKey "MONGO__PASSWORD" .passwordKey) -}}
{{- end -}}
{{- with $stores.kafka.secret -}}
{{- $password := ternary .passwordKey "" (eq (include "wakeline.kafka.sasl" $.root) "true") -}}
{{- $keys = append $keys (dict "of" .name "KAFKA__PASSWORD" $password "kafka.crt" .certKey "kafka.key" .privateKeyKey) -}}
{{- end -}}
{{- with $stores.s3.secret -}}
{{- $keys = append $keys (dict "of" .name "BLOBS__ACCESS_KEY" .accessKeyKey "BLOBS__SECRET_KEY" .secretKeyKey) -}}
{{- end -}}
{{- if and (eq .service "lineage") (dig "webhooks" "receivers" false .root.Values.services.lineage.settings) -}}
{{- $keys = append $keys (dict "of" $stores.webhooks.secret.name "WEBHOOKS__KEYS" $stores.webhooks.secret.keysKey) -}}
{{- end -}}
{{- $found := list -}}
{{- range $of := $keys -}}
{{- range $path, $key := omit $of "of" -}}
{{- if $key -}}
{{- $found = append $found (dict "path" $path "name" ($of.of | replace "SERVICE" $.service) "key" ($key | replace "SERVICE" $.service)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* "true" if services log in to Kafka by name and password */ -}}
{{- define "wakeline.kafka.sasl" -}}
{{- $kafka := (include "wakeline.stores" . | fromJson).kafka -}}
{{- if and $kafka.username (hasPrefix "SASL_" ($kafka.securityProtocol | default "")) }}true{{ end -}}
{{- end -}}

{{- /* Where the stores are: the customer's, or those of the trial; JSON {mongodb, kafka, s3, auth, webhooks} */ -}}
{{- define "wakeline.stores" -}}
{{- $host := printf "%s-stores" (include "wakeline.fullname" .) -}}
{{- if .Values.trial.enabled -}}
{{- dict
  "mongodb" (dict "dsn" (printf "mongodb://%s:27017/?replicaSet=rs0" $host))
  "kafka" (dict "bootstrap" (printf "%s:9092" $host) "topicPrefix" "wakeline")
  "s3" (dict "endpoint" (printf "%s:8333" $host) "secret" (dict
    "name" (printf "%s-trial" (include "wakeline.fullname" .))
    "accessKeyKey" "SERVICE-access-key" "secretKeyKey" "SERVICE-secret-key"))
  "auth" (dict "issuer" "wakeline" "audience" "wakeline" "jwksUrl" (printf "http://%s:8080/jwks.json" $host))
  "webhooks" (dict "secret" (dict "name" (printf "%s-trial" (include "wakeline.fullname" .)) "keysKey" "SERVICE-webhooks-keys"))
  | toJson -}}
{{- else -}}
{{- $_ := required "kafka.bootstrap: where does your Kafka answer (host:port,...)? To try Wakeline out without stores of your own, install with profiles/trial.yaml" .Values.kafka.bootstrap -}}
{{- $_ := required "s3.endpoint: where does your object store answer (host or host:port)?" .Values.s3.endpoint -}}
{{- $_ := required "auth.issuer: whose tokens are accepted (the claim iss)?" .Values.auth.issuer -}}
{{- if eq (empty .Values.auth.jwksUrl) (empty .Values.auth.jwks) -}}
{{- fail "auth: give exactly one of auth.jwksUrl and auth.jwks" -}}
{{- end -}}
{{- dict "mongodb" .Values.mongodb "kafka" .Values.kafka "s3" .Values.s3 "auth" .Values.auth "webhooks" .Values.webhooks | toJson -}}
{{- end -}}
{{- end -}}

{{- /* Who signs the stores' certificates: settings group -> {kind, name, key}, as JSON. */ -}}
{{- define "wakeline.authorities" -}}
{{- $found := dict -}}
{{- if not .Values.trial.enabled -}}
{{- range $group, $ca := dict "kafka" .Values.kafka.ca "mongo" .Values.mongodb.ca "blobs" .Values.s3.ca "auth" .Values.auth.ca -}}
{{- if $ca.name }}{{ $_ := set $found $group $ca }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* What clients are told at GET /v1/services: name -> URL, as JSON. */ -}}
{{- define "wakeline.urls" -}}
{{- $urls := dict -}}
{{- range $service, $_ := .Values.services -}}
{{- $inside := printf "http://%s-%s.%s:8080" (include "wakeline.fullname" $) $service $.Release.Namespace -}}
{{- $_ := set $urls $service (get $.Values.urls $service | default $.Values.url | default $inside) -}}
{{- end -}}
{{- toJson $urls -}}
{{- end -}}

{{- /* What the restricted Pod Security Standard wants. */ -}}

{{- define "wakeline.pod.securityContext" -}}
{{ toYaml .Values.podSecurityContext }}
{{- end -}}

{{- define "wakeline.container.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* of: (dict "root" $ "service" s); a container of s: name and arguments are the caller's */ -}}
{{- define "wakeline.container" -}}
image: {{ include "wakeline.image" (dict "root" .root "name" .service) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  {{- include "wakeline.env" . | nindent 2 }}
securityContext:
  {{- include "wakeline.container.securityContext" .root | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: secrets-{{ .service }}, mountPath: /etc/wakeline/secrets, readOnly: true}
  {{- if include "wakeline.authorities" .root | fromJson }}
  - {name: ca, mountPath: /etc/wakeline/ca, readOnly: true}
  {{- end }}
{{- end -}}

{{- /* of: (dict "root" $ "services" [...] "scratch" "2Gi"); the volumes that wakeline.container mounts */ -}}
{{- define "wakeline.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .scratch }}}
{{- range $service := .services }}
- name: secrets-{{ $service }}
  projected:
    # Of root and of podSecurityContext.fsGroup.
    defaultMode: 0440
    sources:
      {{- range include "wakeline.secrets" (dict "root" $.root "service" $service) | fromJsonArray }}
      - secret: {name: {{ .name }}, items: [{key: {{ .key | quote }}, path: {{ .path }}}]}
      {{- end }}
{{- end }}
{{- with include "wakeline.authorities" .root | fromJson }}
- name: ca
  projected:
    sources:
      {{- range $group, $ca := . }}
      - {{ $ca.kind }}:
          name: {{ $ca.name }}
          items: [{key: {{ $ca.key }}, path: {{ $group }}/ca.crt}]
      {{- end }}
{{- end }}
{{- end -}}

{{- /* of: (dict "root" $ "service" s "account" a); what every pod spec of ours begins with */ -}}
{{- define "wakeline.pod" -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
securityContext:
  {{- include "wakeline.pod.securityContext" .root | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* of: (dict "root" $ "of" "labeling"|"training") */ -}}
{{- define "wakeline.priority" -}}
{{- get .root.Values.priorityClasses .of | default (printf "%s-%s-%s" .root.Release.Namespace (include "wakeline.fullname" .root) .of) -}}
{{- end -}}

{{- /* How training makes its Jobs: its own settings trainer.launch, as JSON. */ -}}
{{- define "wakeline.trainer" -}}
{{- $fullname := include "wakeline.fullname" . -}}
{{- $own := .Values.trainer.secret -}}
{{- $secret := ternary (include "wakeline.stores" . | fromJson).s3.secret $own (empty $own.name) -}}
{{- $resources := dict "requests" dict "limits" dict -}}
{{- range $side, $quantities := .Values.trainer.resources -}}
{{- range $what, $quantity := $quantities }}{{ $_ := set (get $resources $side) $what (include "wakeline.scalar" $quantity) }}{{ end -}}
{{- end -}}
{{- $launch := dict
  "kind" "job"
  "image" (include "wakeline.image" (dict "root" . "name" "trainer"))
  "pullPolicy" .Values.image.pullPolicy
  "pullSecrets" .Values.image.pullSecrets
  "namePrefix" (printf "%s-trainer" ($fullname | trunc 22 | trimSuffix "-"))
  "owner" (include "wakeline.runner" .)
  "labels" (include "wakeline.process.selector" (dict "root" . "service" "training" "kind" "trainer") | fromYaml | toJson)
  "resources" (toJson $resources)
  "nodeSelector" (toJson .Values.trainer.nodeSelector)
  "tolerations" .Values.trainer.tolerations
  "affinity" (toJson .Values.trainer.affinity)
  "priorityClass" (include "wakeline.priority" (dict "root" . "of" "training"))
  "runtimeClass" .Values.trainer.runtimeClassName
  "serviceAccount" (printf "%s-trainer" $fullname)
  "user" .Values.podSecurityContext.runAsUser
  "storeSecret" ($secret.name | replace "SERVICE" "training")
  "storeAccessKey" ($secret.accessKeyKey | replace "SERVICE" "training")
  "storeSecretKey" ($secret.secretKeyKey | replace "SERVICE" "training")
  "workSize" .Values.trainer.scratch
  "sharedMemory" .Values.trainer.sharedMemory
  "patience" .Values.trainer.patience
  "kept" .Values.trainer.kept
-}}
{{- with (include "wakeline.authorities" . | fromJson).blobs -}}
{{- if ne .kind "configMap" }}{{ fail "s3.ca.kind: trainers' Jobs read the authority from a configMap" }}{{ end -}}
{{- $_ := set $launch "caConfigMap" .name }}{{ $_ := set $launch "caKey" .key -}}
{{- end -}}
{{- dict "trainer" (dict "launch" $launch) | toJson -}}
{{- end -}}

{{- /*
Where training's runner finds the API server, as JSON {to, ports, wide}. Some networks look at the address of
its Service, others at what that stands for. Without a cluster, lookup finds nothing.
*/ -}}
{{- define "wakeline.apiServer" -}}
{{- $given := .Values.networkPolicy.apiServer -}}
{{- $to := $given.to -}}
{{- $ports := list -}}
{{- range $given.ports }}{{ $ports = append $ports (toString .) }}{{ end -}}
{{- if not $to -}}
{{- $endpoints := lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "kubernetes" -}}
{{- $addresses := (lookup "v1" "Service" "default" "kubernetes" | dig "spec" "clusterIPs" list) -}}
{{- range $endpoints.endpoints }}{{ $addresses = concat $addresses .addresses }}{{ end -}}
{{- range $endpoints.ports }}{{ $ports = append $ports (toString .port) }}{{ end -}}
{{- range $addresses -}}
{{- $to = append $to (dict "ipBlock" (dict "cidr" (printf "%s/%s" . (contains ":" . | ternary "128" "32")))) -}}
{{- end -}}
{{- end -}}
{{- $anywhere := list (dict "ipBlock" (dict "cidr" "0.0.0.0/0")) -}}
{{- dict "to" ($to | default $anywhere) "ports" ($ports | uniq) "wide" (empty $to) | toJson -}}
{{- end -}}

{{- /* The Deployment that makes them. */ -}}
{{- define "wakeline.runner" -}}
{{- include "wakeline.fullname" . }}-training-{{ ternary "run" "all" .Values.split -}}
{{- end -}}
