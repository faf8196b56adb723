#!/bin/sh
# As root: give the data to the rabbitmq user and go on as that user. As any other user: just run the command.
set -eu
if [ "$(id -u)" = 0 ] && [ "${1#rabbitmq}" != "$1" ]; then
    find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq: '{}' +
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$@"
fi
exec "$@"
