#!/usr/bin/env bash
# Run on the machine of the Compose file, with PLINTH_IMAGE set: deploy/rollout.sh migrate, then
# deploy/rollout.sh release. The release starts replicas of the new image beside the old ones, stops the old ones one by
# one, and then replaces the worker; jobs wait meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${PLINTH_IMAGE:?}"
export PLINTH_IMAGE
replicas=2

case ${1:-} in
  migrate)
    docker compose pull --quiet migrate
    docker compose run --rm migrate
    ;;
  release)
    mapfile -t old < <(docker compose ps --quiet server)
    docker compose up --detach --wait postgres redis
    if ! docker compose up --detach --wait --wait-timeout 120 --no-deps --no-recreate \
      --scale server=$((${#old[@]} + replicas)) server; then
      docker compose logs --tail 50 server >&2
      # Removes the replicas that started. The old ones never stopped.
      docker compose ps --all --quiet server | grep --invert-match --line-regexp --fixed-strings \
        "$(printf '%s\n' "${old[@]:-none}")" | xargs --no-run-if-empty docker rm --force >/dev/null
      exit 1
    fi
    for container in "${old[@]}"; do
      docker stop --time 30 "$container" >/dev/null
      docker rm "$container" >/dev/null
    done
    # Stores the image for later runs of docker compose by hand.
    touch .env
    sed -i '/^PLINTH_IMAGE=/d' .env
    printf 'PLINTH_IMAGE=%s\n' "$PLINTH_IMAGE" >>.env
    if ! docker compose up --detach --wait --wait-timeout 120 --no-deps worker; then
      docker compose logs --tail 50 worker >&2
      exit 1
    fi
    docker compose up --detach --no-recreate
    # Makes both reload their configuration.
    docker compose kill --signal HUP proxy prometheus
    ;;
  *)
    echo "usage: deploy/rollout.sh migrate|release" >&2
    exit 2
    ;;
esac
