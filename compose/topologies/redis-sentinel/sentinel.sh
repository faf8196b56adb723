#!/bin/sh
# Starts one sentinel:  sentinel.sh        (environment: PORT)
# Asks how it is:       sentinel.sh health
set -eu

if [ "${1:-}" = health ]; then
    # Healthy: a majority of sentinels is in sight, so that a failover could happen now.
    REDISCLI_AUTH=$(cat /run/secrets/sentinel_password)
    export REDISCLI_AUTH
    redis-cli -e -p "$PORT" sentinel ckquorum broker
    exec redis-cli -e -p "$PORT" sentinel ckquorum results
fi

# A sentinel writes what it learns into its configuration file. What must survive a restart is who the primaries are, in
# which epoch, who else there is, and its own id; settings and passwords are the seed's, so that a change of those arrives.
known=/data/sentinel.conf
learned='^sentinel (myid|monitor|config-epoch|leader-epoch|current-epoch|known-replica|known-sentinel) '
{
    if [ -s "$known" ] && grep -Eq '^sentinel myid ' "$known"; then
        grep -Ev '^sentinel monitor ' /run/secrets/sentinel.conf
        grep -E "$learned" "$known"
    else
        cat /run/secrets/sentinel.conf
    fi
    echo "port $PORT"
    echo "sentinel announce-ip $(hostname)"
    echo "sentinel announce-port $PORT"
} > "$known.new"
mv "$known.new" "$known"
exec redis-server "$known" --sentinel
