"""Celery settings of the reference application, with the reason for each that is not the default.

Where the broker and the result store are comes from the environment (compose/topologies/<topology>/celery.env) and the
passwords from files, so no password stands in an environment, a command line or a log:

    BROKER_URL, RESULT_URL                       with user, without password; `;` between several sentinels
    BROKER_PASSWORD_FILE, RESULT_PASSWORD_FILE   one line each
    SENTINEL_MASTER, SENTINEL_RESULT_MASTER, SENTINEL_PASSWORD_FILE   where the URLs are sentinel://

Numbers are seconds.
"""

import os
from pathlib import Path
from urllib.parse import quote

from celery.exceptions import ImproperlyConfigured
from celery.schedules import crontab
from kombu import Exchange, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

QUEUES = ("short", "long", "io", "critical", "bulk")
DEAD_LETTERS = "dead-letters"  # on RabbitMQ; compose/topologies/rabbitmq/definitions.json.template declares them all
CANARY_INTERVAL = 10.0


def required(variable):
    """Return the environment variable; raise ImproperlyConfigured, with where it comes from, when it is not set."""
    if value := os.environ.get(variable):
        return value
    raise ImproperlyConfigured(f"{variable} is not set; see compose/topologies/<topology>/celery.env")


def read_secret(variable):
    """Return what is in the file that the environment variable names, without the line end."""
    path = required(variable)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{variable}={path} cannot be read: {error.strerror}; `make up` writes it") from None


def with_password(urls, password):
    """Put `password` into each of the `;`-separated `urls`, which name a user: amqp://app@rabbitmq:5672/app."""
    return ";".join(_with_password(url, password) for url in urls.split(";"))


def _with_password(url, password):
    scheme, _, rest = url.partition("://")
    user, at, place = rest.partition("@")
    if not at or ":" in user:
        raise ImproperlyConfigured(f"{url!r} must name a user and no password: {scheme}://app@host:port/name")
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"


broker_url = with_password(required("BROKER_URL"), read_secret("BROKER_PASSWORD_FILE"))
# The `celery` command takes $BROKER_URL for its option --broker, which it lets win over this file by way of this
# variable (celery/bin/celery.py): it would connect without the password.
os.environ.pop("CELERY_BROKER_URL", None)
result_backend = with_password(required("RESULT_URL"), read_secret("RESULT_PASSWORD_FILE"))

# --- What may be in a message -----------------------------------------------------------------------------------------
accept_content = ["json"]  # whoever can write to a broker that accepts pickle can run code in every worker
result_accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"

# --- Results ----------------------------------------------------------------------------------------------------------
# A stored result costs six Redis commands and about doubles the CPU of a short task (docs/runs/ignore_result): a task
# opts in with ignore_result=False.
task_ignore_result = True
result_expires = 3600  # the result store evicts what expires first, so everything in it has to expire
redis_socket_timeout = 10  # the default, 120, is how long a worker hangs on a paused result store
redis_socket_connect_timeout = 2
redis_socket_keepalive = True
redis_backend_health_check_interval = 25
redis_retry_on_timeout = True
result_backend_transport_options = {
    # About 35 s of trying: longer than a failover, so a task that is done is not failed for want of a place to say so.
    "retry_policy": {"max_retries": 20, "interval_start": 0, "interval_step": 0.5, "interval_max": 2},
}

# --- Connections ------------------------------------------------------------------------------------------------------
# A worker must outlive its broker: Compose does not order a restart of the host, and brokers are upgraded.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # for ever; the default gives up after 100
broker_channel_error_retry = True  # without it NOREPLICAS or READONLY, as in a failover, ends the worker
broker_heartbeat = 30  # AMQP: a dead peer is noticed within a minute, not four
# Publishers try for about 17 s, longer than a Sentinel failover (down-after 5 s + election); the default is 0.6 s.
# kombu counts each of several URLs as one try, and waits only after a round of them all.
_rounds, _urls = 20, broker_url.count(";") + 1
task_publish_retry_policy = {
    "max_retries": _rounds * _urls, "interval_start": 0, "interval_step": 0.2, "interval_max": 1,
}

# --- Workers ----------------------------------------------------------------------------------------------------------
worker_soft_shutdown_timeout = 20  # with REMAP_SIGTERM=SIGQUIT; below stop_grace_period (compose/celery.yaml)
worker_proc_alive_timeout = 15  # a pool process on a busy machine may need more than the default 4 s to say it is up
task_time_limit = 60  # a net under all tasks (prefork only); the worker services set their own
task_soft_time_limit = 50

# --- Routes -----------------------------------------------------------------------------------------------------------
# One queue a worker service, split by how long a task holds its worker: a queue shared by short and long tasks makes
# the short ones wait behind the long ones, whatever the prefetch limit.
task_default_queue = "short"
task_routes = {
    "app.sleep": {"queue": "long"},
    "app.fetch": {"queue": "io"},
}

if broker_url.startswith("amqp"):
    # Quorum queues: replicated where there are several nodes, safe on disk where there is one, with a delivery limit
    # against poison messages. The exchange is a topic exchange since Celery's native delayed delivery works with no
    # direct one, and without it tasks with a countdown or ETA fill the worker's prefetch window (RabbitMQ has no
    # global prefetch limit to raise for them).
    # https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/rabbitmq.html#native-delayed-delivery
    task_default_queue_type = task_create_missing_queue_type = "quorum"
    task_default_exchange_type = task_create_missing_queue_exchange_type = "topic"
    _exchange = Exchange("tasks", type="topic")
    _arguments = {"x-queue-type": "quorum"}
    # A late-acked task whose connection is gone cannot be acked any more and is delivered again at once: stop it here.
    worker_cancel_long_running_tasks_on_connection_loss = True
    # Celery publishes without confirms unless told: a restart of the broker would lose what it had not yet written.
    broker_transport_options = {"confirm_publish": True}
else:
    _exchange = Exchange("tasks", type="direct")  # Redis: straight to the list of that name, no binding to lose
    _arguments = None
    # Here such a task can be acked on the next connection, and if it is stopped instead it stays invisible until the
    # visibility timeout: let it finish.
    worker_cancel_long_running_tasks_on_connection_loss = False
    broker_transport_options = {
        # An unacknowledged task is delivered again after this long: longer than the longest ETA + run time, or tasks
        # run twice while they run (https://github.com/celery/kombu/issues/337). No ETA above 45 minutes, then.
        "visibility_timeout": 3600,
        # Look for such tasks every 10 s; by default kombu skips nine of ten looks, so it would be every 100 s.
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        # A Redis that is paused or cut off does not close its connections: without these, its clients hang as well.
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }

task_queues = [Queue(name, _exchange, routing_key=name, queue_arguments=_arguments) for name in QUEUES]

if broker_url.startswith("sentinel"):
    _sentinel = {
        "sentinel_kwargs": {
            "password": read_secret("SENTINEL_PASSWORD_FILE"),
            # A sentinel that does not answer must not stop the question from reaching the next one.
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
            # By itself redis-py asks one sentinel four times, with pauses, before it asks the next one.
            "retry": Retry(NoBackoff(), 0),
        },
    }
    broker_transport_options |= _sentinel | {"master_name": required("SENTINEL_MASTER")}
    result_backend_transport_options |= _sentinel | {"master_name": required("SENTINEL_RESULT_MASTER")}

# --- Beat -------------------------------------------------------------------------------------------------------------
enable_utc = True
beat_schedule_filename = "/tmp/celerybeat-schedule"  # noqa: S108 - the container's own tmpfs
beat_schedule = {
    f"canary-{name}": {
        "task": "app.canary",
        "schedule": CANARY_INTERVAL,
        "args": (name,),
        # It expires: canaries must not pile up in front of real work when a queue is not consumed.
        "options": {"queue": name, "expires": 3 * CANARY_INTERVAL},
    }
    for name in QUEUES
} | {
    "report-queues-nightly": {
        "task": "app.report_queues",
        "schedule": crontab(hour=3, minute=30),
        "options": {"expires": 3600},
    },
}
