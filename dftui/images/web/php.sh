#!/bin/bash
# Stands for PHP's command line, as far as `php artisan …` goes.
if [ "${1:-}" = artisan ]; then
    shift
    exec python3 -m standin.artisan "$@"
fi
printf 'Could not open input file: %s\n' "${1:-}" >&2
exit 1
