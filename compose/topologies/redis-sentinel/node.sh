#!/bin/sh
# Starts one Redis node as what the sentinels say it is:  node.sh MASTER CONFIG [OPTION VALUE]...   (environment: PORT)
# Asks how it is:                                         node.sh health
#
# Its own configuration cannot say: after a failover the old primary's would still call it a primary, and until the
# sentinels notice (some ten seconds) there would be two. So nobody starts before two of three sentinels agree. Waiting
# costs nothing: without sentinels no client finds a primary either.
set -eu

if [ "${1:-}" = health ]; then
    # Healthy: it takes commands, and as a replica it is in sync with the primary.
    REDISCLI_AUTH=$(cat /run/secrets/monitor_password)
    export REDISCLI_AUTH
    redis-cli -e -p "$PORT" --user monitor ping > /dev/null
    role=$(redis-cli -e -p "$PORT" --user monitor role | tr '\n' ' ')
    echo "$role"
    case $role in
        master*|*' connected '*) exit 0 ;;
        *) exit 1 ;;
    esac
fi

master=$1
config=$2
shift 2

# Prints "host port" when two of three sentinels name the same primary.
primary() {
    for sentinel in sentinel-1:26379 sentinel-2:26380 sentinel-3:26381; do
        REDISCLI_AUTH=$(cat /run/secrets/sentinel_password) redis-cli -e -t 2 -h "${sentinel%:*}" -p "${sentinel#*:}" \
            sentinel get-master-addr-by-name "$master" 2> /dev/null | paste -s -d ' ' || true
    done | sort | uniq -c | while read -r votes host number; do
        if [ "$votes" -ge 2 ] && [ -n "$number" ]; then echo "$host $number"; fi
    done
}

until found=$(primary) && [ -n "$found" ]; do
    echo "waiting for two of three sentinels to agree on who is the primary of '$master'"
    sleep 1
done
echo "the sentinels say that the primary of '$master' is $found"

# The name and port that this node is known by; passwords come from a file, since a command line can be read by others.
set -- "$@" --port "$PORT" --replica-announce-ip "$(hostname)" --replica-announce-port "$PORT" \
    --include /run/secrets/replication.conf
if [ "$found" != "$(hostname) $PORT" ]; then
    # shellcheck disable=SC2086 # "host port" is two arguments
    set -- "$@" --replicaof $found
fi
exec redis-server "$config" "$@"
