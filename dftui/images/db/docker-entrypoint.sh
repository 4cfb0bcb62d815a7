#!/bin/bash
# Starts MariaDB as the official images do: MYSQL_ROOT_PASSWORD, and if wanted MYSQL_DATABASE, MYSQL_USER,
# MYSQL_PASSWORD. Nothing listens before the first set-up is done; no password is on a command line or a disk.
set -euo pipefail

data=/var/lib/mysql
seed=/usr/local/lib/mysql-seed

say() { printf '%s [Note] [Entrypoint]: %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S')" "$*" >&2; }

# Text of an SQL string literal.
quote() {
    local mark="'" text=${1//\\/\\\\}
    printf "'%s'" "${text//$mark/$mark$mark}"
}

# Name of a database or user between backticks.
name() { printf '`%s`' "${1//\`/\`\`}"; }

# The statements of a first start. Anonymous users would shadow user@% on localhost.
first_statements() {
    printf 'FLUSH PRIVILEGES;\n'
    printf "DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';\n"
    printf "DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';\n"
    printf 'FLUSH PRIVILEGES;\n'
    printf "ALTER USER 'root'@'localhost' IDENTIFIED BY %s;\n" "$(quote "$MYSQL_ROOT_PASSWORD")"
    printf "CREATE USER 'root'@'%%' IDENTIFIED BY %s;\n" "$(quote "$MYSQL_ROOT_PASSWORD")"
    printf "GRANT ALL ON *.* TO 'root'@'%%' WITH GRANT OPTION;\n"
    if [ -n "${MYSQL_DATABASE:-}" ]; then
        printf 'CREATE DATABASE IF NOT EXISTS %s CHARACTER SET utf8mb4;\n' "$(name "$MYSQL_DATABASE")"
    fi
    if [ -n "${MYSQL_USER:-}" ] && [ -n "${MYSQL_PASSWORD:-}" ]; then
        printf "CREATE USER %s@'%%' IDENTIFIED BY %s;\n" "$(quote "$MYSQL_USER")" "$(quote "$MYSQL_PASSWORD")"
        if [ -n "${MYSQL_DATABASE:-}" ]; then
            printf "GRANT ALL ON %s.* TO %s@'%%';\n" "$(name "${MYSQL_DATABASE//_/\\_}")" "$(quote "$MYSQL_USER")"
        fi
    fi
}

case "${1:-mariadbd}" in
    mariadbd | mysqld | -*) ;;
    *) exec "$@" ;;
esac
case "${1:-}" in mariadbd | mysqld) shift ;; esac

# A first start that was cut short left only this folder: the last thing moved out of it is the one looked for.
rm -rf "$data/.first-start"
if [ ! -d "$data/mysql" ]; then
    if [ -z "${MYSQL_ROOT_PASSWORD:-}" ]; then
        printf 'Database is uninitialized and MYSQL_ROOT_PASSWORD is not set: set it and start again.\n' >&2
        exit 1
    fi
    say 'Initializing database files'
    cp -a "$seed" "$data/.first-start"
    first_statements | mariadbd --bootstrap --datadir="$data/.first-start" --log-warnings=0 2>"$data/.first-start/log" || {
        cat "$data/.first-start/log" >&2
        exit 1
    }
    rm -f "$data/.first-start/log"
    shopt -s dotglob
    for entry in "$data"/.first-start/*; do
        [ "${entry##*/}" = mysql ] || mv "$entry" "$data/"
    done
    mv "$data/.first-start/mysql" "$data/mysql"
    rmdir "$data/.first-start"
    say 'MariaDB init process done. Ready for start up.'
fi

exec mariadbd "$@"
