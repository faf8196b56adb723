#!/usr/bin/env bash
# Healthy: the vhost is up, AMQP is listened to, and no alarm blocks publishers.
# Over the management API, since `rabbitmq-diagnostics` starts an Erlang node for each question: 1.2 s of CPU, every
# time. Bash speaks HTTP itself, since the official image has neither curl nor wget.
set -euo pipefail

credentials=$(printf 'monitor:%s' "$(cat /run/secrets/monitor_password)" | base64 --wrap=0)

for check in virtual-hosts port-listener/5672 local-alarms; do
    exec 3<>/dev/tcp/127.0.0.1/15672
    printf 'GET /api/health/checks/%s HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$check" "$credentials" >&3
    read -r _ status _ <&3
    if [[ $status != 200 ]]; then
        echo "$check: HTTP status $status"
        exit 1
    fi
    exec 3>&-
done
echo "vhost, port and alarms are fine"
