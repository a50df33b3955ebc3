#!/usr/bin/env bash
# Deploys IMAGE to DEPLOY_TARGET in two steps: deploy/deploy.sh migrate, then deploy/deploy.sh release.
# docs/deploying.md lists the variables that each target needs.
set -euo pipefail
: "${IMAGE:?the image, by its digest}" "${DEPLOY_TARGET:?ssh-compose, kubernetes or render}"

# Deploys to a machine with Docker that runs the Compose file.
ssh-compose() {
  : "${DEPLOY_HOST:?user@host}" "${DEPLOY_SSH_KEY:?a private key}" "${DEPLOY_KNOWN_HOSTS:?from ssh-keyscan}"
  local directory=${DEPLOY_PATH:-plinth}
  # Not a local variable: the trap runs after the function has returned.
  keys=$(mktemp -d)
  trap 'rm -rf "$keys"' EXIT
  (umask 077 && printf '%s\n' "$DEPLOY_SSH_KEY" >"$keys/key")
  printf '%s\n' "$DEPLOY_KNOWN_HOSTS" >"$keys/known_hosts"
  tar --create --gzip docker-compose.yml deploy grafana |
    ssh -i "$keys/key" -o UserKnownHostsFile="$keys/known_hosts" -o StrictHostKeyChecking=yes "$DEPLOY_HOST" \
      "mkdir -p '$directory' && cd '$directory' && tar --extract --gzip && PLINTH_IMAGE='$IMAGE' deploy/rollout.sh $1"
}

# Deploys to the namespace of the kubeconfig: to a Deployment `plinth` with a container `server`, and, unless the servers
# run the jobs, to a Deployment `plinth-worker` with a container `worker`.
kubernetes() {
  : "${KUBECONFIG_CONTENT:?a kubeconfig}"
  KUBECONFIG=$(mktemp)
  export KUBECONFIG
  trap 'rm -f "$KUBECONFIG"' EXIT
  printf '%s\n' "$KUBECONFIG_CONTENT" >"$KUBECONFIG"
  if [ "$1" = release ]; then
    kubectl set image deployment/plinth server="$IMAGE"
    kubectl rollout status deployment/plinth --timeout=10m
    if [ "$(kubectl get deployment/plinth-worker --ignore-not-found --output name)" ]; then
      kubectl set image deployment/plinth-worker worker="$IMAGE"
      kubectl rollout status deployment/plinth-worker --timeout=10m
    fi
    return
  fi
  # Copies the pod of the Deployment, with its settings and secrets, but without the labels, ports and probes that would
  # make a Service send it requests.
  local job="plinth-migrate-${GITHUB_RUN_ID:-$(date +%s)}-${GITHUB_RUN_ATTEMPT:-1}"
  kubectl get deployment/plinth --output json |
    jq --arg job "$job" --arg image "$IMAGE" '{
      apiVersion: "batch/v1", kind: "Job", metadata: {name: $job},
      spec: {
        backoffLimit: 0, activeDeadlineSeconds: 600, ttlSecondsAfterFinished: 86400,
        template: {
          metadata: {labels: {app: "plinth-migrate"}},
          spec: (.spec.template.spec | .restartPolicy = "Never" | .containers = [
            .containers[] | select(.name == "server")
              | .image = $image | .args = ["plinth", "migrate"]
              | del(.command, .ports, .livenessProbe, .readinessProbe, .startupProbe, .lifecycle)
          ])
        }
      }
    }' | kubectl create --filename -
  # Waits for completed or failed: `kubectl wait` can wait for only one of them.
  until [ "$(kubectl get "job/$job" --output jsonpath='{.status.conditions[*].type}')" ]; do sleep 5; done
  kubectl logs "job/$job"
  kubectl wait --for=condition=complete --timeout=30s "job/$job"
}

# Deploys to a web service of Render that runs an image. Its pre-deploy command must be `plinth migrate`.
# RENDER_WORKER_ID, if set, is a background worker that runs `plinth worker`.
render() {
  : "${RENDER_API_KEY:?}" "${RENDER_SERVICE_ID:?srv-...}"
  if [ "$1" = migrate ]; then
    echo "Render migrates itself, by the pre-deploy command"
    return
  fi
  local service
  for service in "$RENDER_SERVICE_ID" ${RENDER_WORKER_ID:+"$RENDER_WORKER_ID"}; do
    render-service "$service"
  done
}

render-service() {
  local deploys="https://api.render.com/v1/services/$1/deploys" id status
  ask() {
    # The token is passed on stdin, because arguments are visible in the process list.
    curl --silent --show-error --fail --max-time 30 --header @- --header 'Content-Type: application/json' "$@" \
      <<<"Authorization: Bearer $RENDER_API_KEY"
  }
  id=$(ask "$deploys" --data "$(jq --null-input --arg image "$IMAGE" '{imageUrl: $image}')" | jq --raw-output .id)
  for _ in $(seq 180); do
    status=$(ask "$deploys/$id" | jq --raw-output .status)
    case $status in
      live) echo "$id is live" && return ;;
      *failed | canceled | deactivated) echo "$id: $status" >&2 && exit 1 ;;
    esac
    sleep 5
  done
  echo "$id: still $status after 15 minutes" >&2
  exit 1
}

case ${1:-} in
  migrate | release) ;;
  *) echo "usage: deploy/deploy.sh migrate|release" >&2 && exit 2 ;;
esac
case $DEPLOY_TARGET in
  ssh-compose | kubernetes | render) "$DEPLOY_TARGET" "$1" ;;
  *) echo "DEPLOY_TARGET must be ssh-compose, kubernetes or render" >&2 && exit 2 ;;
esac
