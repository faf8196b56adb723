"""A Celery application that only sends. It imports no task and no setting of the application it sends to by itself.

It sends as an application does: through `Celery.send_task` with Celery's own pool of producers. That pool is also what
makes it safe here: a channel must not be used by two greenlets at once, and waiting for a broker's confirm or for
Redis's answer lets the others run, so each greenlet in `send_task` holds a connection of its own (at most
broker_pool_limit, 10 by default; the others wait).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery
from kombu import Exchange, Queue
from kombu.utils.functional import maybe_list
from redis.backoff import NoBackoff
from redis.retry import Retry

from rig.errors import BadInput
from rig.load.send.error_text import class_and_words
from rig.load.send.target import Target

SOCKET_TIMEOUT = 10.0  # seconds; a Redis that is paused or cut off does not close its connections
CONNECT_TIMEOUT = 2.0  # seconds


def make_app(target: Target, queues: Iterable[str] = ()) -> Any:
    """Return a Celery app that sends to `target`. `queues` are those that exist: they are taken as they are.

    Declaring them again, as a publisher does by default, fails when their arguments differ from what we would say
    (PRECONDITION_FAILED), and we do not know what the application says. Where the target's settings say it
    (`task_queues`), these queues are used as an application would. The modules in their `imports` are imported, as a
    publishing application's are: they may listen to Celery's signals.

    Raises BadInput for each module that cannot be imported.
    """
    # The loader is named, so CELERY_LOADER, by which the rig attaches to an application, does not reach this app: what
    # it sends is recorded already.
    app = Celery("celery-rig-load", loader="app", set_as_current=False)
    app.conf.update(_settings(target))
    for name in queues:
        if name in (app.conf.task_queues or ()):
            continue
        # A direct exchange: then Celery sends to the broker's default exchange, which knows every queue by its name.
        app.amqp.queues.add(Queue(name, Exchange(name, type="direct"), routing_key=name, no_declare=True))
    _import(app)
    return app


def _import(app: Any) -> None:
    problems = []
    for name in maybe_list(app.conf.imports):
        try:
            app.loader.import_task_module(name)  # from the working directory, too
        except Exception as error:  # whatever a module raises
            problems.append(f"imports: the module {name!r} cannot be imported: {class_and_words(error)}")
    if problems:
        raise BadInput(problems)


def _settings(target: Target) -> dict[str, Any]:
    """Return what is not Celery's default; the reasons are in services/app/celeryconfig.py where none is given.

    The target's own settings come over it; of transport options only those that they name.
    """
    settings: dict[str, Any] = {
        "broker_url": target.broker_url,
        "result_backend": target.result_url or None,
        "task_ignore_result": True,
        # Nobody answers heartbeats while a load idles between turns, so the broker must not expect them.
        "broker_heartbeat": 0,
        "broker_connection_timeout": CONNECT_TIMEOUT,
        # Some 17 s, longer than a failover takes. kombu counts each of several URLs as one try.
        "task_publish_retry_policy": {
            "max_retries": 20 * (target.broker_url.count(";") + 1),
            "interval_start": 0, "interval_step": 0.2, "interval_max": 1,
        },
        "redis_socket_timeout": SOCKET_TIMEOUT,
        "redis_socket_connect_timeout": CONNECT_TIMEOUT,
        "redis_socket_keepalive": True,
        "redis_backend_health_check_interval": 25,
        "broker_transport_options": transport_options(target, target.broker_url, target.sentinel_master),
        "result_backend_transport_options": {
            "retry_policy": {"max_retries": 20, "interval_start": 0, "interval_step": 0.5, "interval_max": 2},
            **transport_options(target, target.result_url, target.sentinel_result_master),
        },
    }  # fmt: skip
    for name, value in target.settings.items():
        ours = settings.get(name)
        settings[name] = ours | value if isinstance(ours, dict) and isinstance(value, dict) else value
    return settings


def transport_options(target: Target, url: str, master: str, timeout: float = SOCKET_TIMEOUT) -> dict[str, Any]:
    """Return kombu's transport options for a broker's or a result store's URL. `timeout` is in seconds."""
    if url.startswith("amqp"):
        # Without confirms a task that the broker never got counts as published: the ledger would call it lost.
        return {"confirm_publish": True}
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
    if url.startswith("sentinel"):
        sentinel: dict[str, Any] = {
            "socket_timeout": CONNECT_TIMEOUT,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            # redis-py asks one sentinel four times, with pauses, before it asks the next one.
            "retry": Retry(NoBackoff(), 0),
        }
        if target.sentinel_password:
            sentinel["password"] = target.sentinel_password
        options |= {"master_name": master, "sentinel_kwargs": sentinel}
    return options
