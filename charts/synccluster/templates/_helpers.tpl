{{/* Name of everything in the release's namespace. Cut, for names of replica sets and pods get longer. */}}
{{- define "synccluster.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- printf "%s-operator" (trunc 40 .Release.Name | trimSuffix "-") -}}
{{- else -}}
{{- printf "%s-synccluster-operator" (trunc 28 .Release.Name | trimSuffix "-") -}}
{{- end -}}
{{- end }}

{{/* Name of what belongs to no namespace: two releases of one name in two namespaces must not share it. */}}
{{- define "synccluster.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "synccluster.fullname" .) -}}
{{- end }}

{{- define "synccluster.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "synccluster.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "synccluster.selector" -}}
app.kubernetes.io/name: synccluster-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Never part-of synccluster: that label tells the operator what it owns. */}}
{{- define "synccluster.ownLabels" -}}
{{ include "synccluster.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}
{{- define "synccluster.labels" -}}
{{- toYaml (merge (include "synccluster.ownLabels" . | fromYaml) .Values.commonLabels) }}
{{- end }}
{{- define "synccluster.podLabels" -}}
{{- toYaml (merge (include "synccluster.labels" . | fromYaml) .Values.podLabels) }}
{{- end }}

{{- define "synccluster.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The level `restricted` of Pod Security. */}}
{{- define "synccluster.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- define "synccluster.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/*
All that the operator does in a namespace that it serves. What it patches it may delete, too: servers that check owner
references ask for that when the owner changes, as after `kubectl delete --cascade=orphan` or a restore from a backup.
*/}}
{{- define "synccluster.rules" -}}
- apiGroups: [synccluster.io]
  resources: [syncclusters, syncbenchmarks]
  verbs: [list, watch]
- apiGroups: [synccluster.io]
  resources: [syncclusters/status, syncbenchmarks/status]
  verbs: [update]
# Asked for by servers that check who may make an owner's deletion wait for what it owns.
- apiGroups: [synccluster.io]
  resources: [syncclusters/finalizers, syncbenchmarks/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [statefulsets/scale]
  verbs: [update]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# Made by the StatefulSet; grown, and deleted when a member is gone for good, by the operator.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# For the one ConfigMap that a benchmark's Job may write. Without `bind` and `escalate`: no role gets more than the above.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
