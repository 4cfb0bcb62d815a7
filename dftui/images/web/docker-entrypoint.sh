#!/bin/bash
# Puts the container's variables into .env and starts the web application, in the manner of df-docker: the same
# variables, the same lines in the log (the key among them), the same trouble with characters that sed knows, and
# the same trap: CACHE_DRIVER goes to a line that this version does not have, so CACHE_STORE stays as it is.
set -e
cd /opt/dreamfactory

edits=()

# set_line NAME VALUE [DELIMITER]: the line for NAME, commented out or not, gets the value.
set_line() {
    local mark=${3:-/}
    edits+=("s${mark}^#*$1=.*${mark}$1=$2${mark}")
}

if [ -n "$CACHE_DRIVER" ]; then
    echo "Setting CACHE_DRIVER, CACHE_HOST, CACHE_DATABASE"
    set_line CACHE_DRIVER "$CACHE_DRIVER"
    set_line CACHE_HOST "$CACHE_HOST"
    [ -z "$CACHE_DATABASE" ] || set_line CACHE_DATABASE "$CACHE_DATABASE"
fi
for name in CACHE_PORT CACHE_USERNAME CACHE_PASSWORD SESSION_DRIVER REDIS_HOST REDIS_PORT; do
    if [ -n "${!name}" ]; then
        echo "Setting $name"
        set_line "$name" "${!name}"
    fi
done

if [ -n "$DB_DRIVER" ]; then
    echo "Setting DB_DRIVER, DB_HOST, DB_USERNAME, DB_PASSWORD, and DB_DATABASE"
    set_line DB_CONNECTION "$DB_DRIVER"
    set_line DB_HOST "$DB_HOST"
    set_line DB_USERNAME "$DB_USERNAME"
    set_line DB_PASSWORD "$DB_PASSWORD"
    set_line DB_DATABASE "$DB_DATABASE"
fi
# `--link` puts a URL into DB_PORT.
if [ -n "$DB_PORT" ] && [[ $DB_PORT != *":"* ]]; then
    echo "Setting DB_PORT"
    set_line DB_PORT "$DB_PORT"
fi

if [ -n "$APP_KEY" ]; then
    echo "Setting APP_KEY=$APP_KEY from environment"
    set_line APP_KEY "$APP_KEY" @
fi
if [ -n "$APP_LOG_LEVEL" ]; then
    echo "Setting APP_LOG_LEVEL"
    set_line APP_LOG_LEVEL "$APP_LOG_LEVEL"
fi
for name in JWT_TTL; do
    [ -z "${!name}" ] || set_line "DF_$name" "${!name}"
done
if [ -n "$LOG_TO_STDOUT" ]; then
    set_line LOG_TO_STDOUT "$LOG_TO_STDOUT"
    echo "Also writing dreamfactory.log messages to STDOUT"
fi
# The edits hold secrets, and a command line is readable by everyone on the machine: sed reads them from its input.
[ ${#edits[@]} -eq 0 ] || printf '%s\n' "${edits[@]}" | sed -i -f - .env

exec python3 -m standin
