"""Flower: who may look (basic auth), and what it asks of the workers (nothing that costs them).

    celery -A app flower --conf=/srv/app/flowerconfig.py
"""

import os

from app.celeryconfig import read_secret

address = "0.0.0.0"  # noqa: S104 - inside its container; the host publishes it on 127.0.0.1 only
port = 5555
basic_auth = [f"admin:{read_secret('FLOWER_PASSWORD_FILE')}"]

inspect_timeout = 3000.0  # milliseconds; the default, 1000, misses busy workers, and with them their queues

# By default Flower switches task events ON in every worker it sees, which is dear for short
# tasks. Workers and their heartbeats show without; only tasks of workers started with -E (worker-long) are listed.
enable_events = False
purge_offline_workers = 300  # seconds; a recreated container has a new host name, so its old self would stay for ever

# The Broker page. On Redis, Flower reads the queues with the application's own credentials.
if rabbitmq_api := os.environ.get("RABBITMQ_API"):  # http://host:port/api/
    scheme, _, rest = rabbitmq_api.partition("://")
    broker_api = f"{scheme}://monitor:{read_secret('MONITOR_PASSWORD_FILE')}@{rest}"
