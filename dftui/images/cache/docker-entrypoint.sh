#!/bin/bash
# Starts Redis with the password in REDIS_PASSWORD. The settings go in by standard input, so that the password is
# neither on the command line nor in a file; further arguments are Redis's own.
set -euo pipefail

case "${1:-redis-server}" in
    redis-server | -*) ;;
    *) exec "$@" ;;
esac
[ "${1:-}" != redis-server ] || shift

if [ -z "${REDIS_PASSWORD:-}" ]; then
    printf 'REDIS_PASSWORD is not set: set it and start again.\n' >&2
    exit 1
fi

settings() {
    local text=${REDIS_PASSWORD//\\/\\\\}
    printf 'requirepass "%s"\n' "${text//\"/\\\"}"
    printf '%s\n' 'dir /data' 'appendonly yes' 'appendfsync everysec' 'save ""' 'bind * -::*' 'loglevel notice' \
        'daemonize no' 'logfile ""' 'tcp-keepalive 60'
}

exec redis-server - "$@" < <(settings)
