{{- define "oompolicy.labels" -}}
app.kubernetes.io/name: oompolicy
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: oompolicy
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The labels of an object that others find by labels of theirs; the argument is a dict of labels and root. */}}
{{- define "oompolicy.foundBy" -}}
{{ include "oompolicy.labels" .root }}
{{- with .labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "oompolicy.operatorSelector" -}}
app.kubernetes.io/name: oompolicy
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* What a pod of a restricted namespace must say of itself, and what each of its containers must. */}}
{{- define "oompolicy.restricted" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "oompolicy.harmless" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A pod that runs one command of the operator's to its end; the argument is a dict of account, word and root. */}}
{{- define "oompolicy.command" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ .account }}
restartPolicy: Never
securityContext: {{- include "oompolicy.restricted" . | nindent 2 }}
{{- with $values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .word }}
    image: {{ include "oompolicy.image" (dict "image" $values.operator.image "root" .root) }}
    imagePullPolicy: {{ $values.operator.image.pullPolicy }}
    command: [oompolicy-operator, {{ .word }}]
    resources: {{- toYaml $values.operator.resources | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext: {{- include "oompolicy.harmless" . | nindent 6 }}
    volumeMounts:
      - {name: config, mountPath: /etc/oompolicy, readOnly: true}
volumes:
  - name: config
    configMap: {name: oompolicy-operator}
{{- end }}

{{/* An image reference; the argument is a dict of image and root. */}}
{{- define "oompolicy.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* How the API server is reached: by its Service, by itself, and DNS. */}}
{{- define "oompolicy.apiPorts" -}}
- {protocol: TCP, port: 443}
- {protocol: TCP, port: 6443}
- {protocol: UDP, port: 53}
- {protocol: TCP, port: 53}
{{- end }}

{{/* What the operator reads at its start: oompolicy_operator/settings.py. */}}
{{- define "oompolicy.operatorConfig" -}}
logLevel: {{ .Values.operator.logLevel }}
healthPort: 8080
agent:
  namespace: {{ .Values.agent.namespace }}
  image: {{ include "oompolicy.image" (dict "image" .Values.agent.image "root" .) | quote }}
  imagePullPolicy: {{ .Values.agent.image.pullPolicy }}
  imagePullSecrets: {{ .Values.imagePullSecrets | toJson }}
  stateDirectory: {{ .Values.agent.stateDirectory | quote }}
  decisionsNamespace: {{ .Release.Namespace }}
  metricsPort: {{ .Values.agent.metricsPort | int }}
  guard: {{ .Values.agent.guard | toJson }}
  sync: {{ .Values.agent.sync | toJson }}
decisions:
  namespace: {{ .Release.Namespace }}
  keep: {{ .Values.decisions.keep | int }}
  days: {{ .Values.decisions.days | int }}
{{- end }}
