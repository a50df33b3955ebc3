#!/usr/bin/env bash
# On the machine where the compose file runs, with PLINTH_IMAGE set: deploy/rollout.sh migrate, then
# deploy/rollout.sh release. Replicas of the new image come up beside the old ones, which then stop one by one; then the
# worker is replaced, while jobs wait.
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
      # What came up is taken down again; the old ones never stopped.
      docker compose ps --all --quiet server | grep --invert-match --line-regexp --fixed-strings \
        "$(printf '%s\n' "${old[@]:-none}")" | xargs --no-run-if-empty docker rm --force >/dev/null
      exit 1
    fi
    for container in "${old[@]}"; do
      docker stop --time 30 "$container" >/dev/null
      docker rm "$container" >/dev/null
    done
    # For whoever runs docker compose here by hand.
    touch .env
    sed -i '/^PLINTH_IMAGE=/d' .env
    printf 'PLINTH_IMAGE=%s\n' "$PLINTH_IMAGE" >>.env
    if ! docker compose up --detach --wait --wait-timeout 120 --no-deps worker; then
      docker compose logs --tail 50 worker >&2
      exit 1
    fi
    docker compose up --detach --no-recreate
    # Both read their files anew.
    docker compose kill --signal HUP proxy prometheus
    ;;
  *)
    echo "usage: deploy/rollout.sh migrate|release" >&2
    exit 2
    ;;
esac
